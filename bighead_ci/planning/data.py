"""Whether the checks of a pull request would find the data of a source: DVC makes it, or has it. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import replace

from bighead_ci.definitions.check_sources import SOURCES, wrong_path
from bighead_ci.definitions.data_pipeline import PIPELINE, DataPipeline
from bighead_ci.definitions.files import Files, Place
from bighead_ci.documents.definition import SourceDefinition
from bighead_ci.errors import InputError, Problem
from bighead_ci.planning.meaning import DATA_LOCK, data_path, snapshots
from bighead_ci.words import closest


def data_problems(files: Files, places: Iterable[Place]) -> list[Problem]:
    """What is wrong with the data of some sources of a tree, and with the files that say what it is."""
    sources = [(place, source) for place in sorted(places) if (source := sound_source(files, place)) is not None]
    if not sources:
        return []
    pipeline = files.pipeline
    try:
        locked = snapshots(files.tree)
    except InputError as error:
        return [*pipeline.unreadable, *error.placed(DATA_LOCK)]
    if pipeline.unreadable:
        return pipeline.unreadable
    return [found for place, source in sources for found in _problems(files, place, source, pipeline, locked)]


def sound_source(files: Files, place: Place) -> SourceDefinition | None:
    """A source that can be read and whose path may be one; None for anything else."""
    source = files.source(place.name) if place.kind == "source" else None
    return None if source is None or wrong_path(files, source.path) else source


def _problems(
    files: Files, place: Place, source: SourceDefinition, pipeline: DataPipeline, locked: dict[str, str]
) -> Iterator[Problem]:
    read, path = files.read(place), data_path(source)
    if read is None:
        return
    if locked.get(path, "").endswith(".dir"):
        message = f"is a directory in {DATA_LOCK}: let its stage write its rows into one file"
        yield read.problem(place.file, ("path",), message, source.path)
    elif path not in locked and not pipeline.leaves(path):
        made = [posixpath.relpath(out, SOURCES) for out in pipeline.outs]
        message = f"no stage of {PIPELINE} leaves {path} and {DATA_LOCK} does not have it: the checks would not find it"
        way = f"a stage that leaves it; `bighead new source NAME --from FILE` writes one. Left so far: {_listed(made)}"
        found = read.problem(place.file, ("path",), message, source.path, wanted=way)
        yield replace(found, suggestion=closest(source.path, made))


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "nothing"


def committed_data(files: Files, paths: Iterable[str]) -> list[Problem]:
    """Of some paths, those that are data of a source in git, which DVC then refuses to keep."""
    wanted = {path for path in paths if path.startswith(f"{SOURCES}/") and files.has(path)}
    if not wanted:
        return []
    data = {data_path(source) for place in files.places if (source := sound_source(files, place)) is not None}
    message = "data of a source is kept by DVC and not in git: git rm --cached it, and let .gitignore name it"
    return [Problem(file=path, message=message) for path in sorted(wanted & data)]
