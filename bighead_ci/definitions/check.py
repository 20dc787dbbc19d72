"""Finds everything that is wrong with the authored files of a tree, at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from bighead_ci.definitions.check_environments import environment_problems, release_problems
from bighead_ci.definitions.check_expectations import feature_set_expectation_problems, model_expectation_problems
from bighead_ci.definitions.check_gates import gate_problems
from bighead_ci.definitions.check_golden_rows import golden_row_problems
from bighead_ci.definitions.check_locks import lock_problems, shared_lock_problems, sharing_versions
from bighead_ci.definitions.check_models import model_problems
from bighead_ci.definitions.check_paths import path_problems
from bighead_ci.definitions.check_runs import run_problems
from bighead_ci.definitions.check_sources import source_problems
from bighead_ci.definitions.data_pipeline import PIPELINE
from bighead_ci.definitions.files import MODEL_FILES, Files, Place, name_problems, place_of
from bighead_ci.documents.definition import VersionedFeatureSet
from bighead_ci.errors import Problem
from bighead_ci.features.checks import set_problems
from bighead_ci.ports.tree import Tree

Where = tuple[str | int, ...]


def check_tree(tree: Tree, paths: Iterable[str] | None = None) -> list[Problem]:
    """Every problem of the authored files, sorted by file and line; pure.

    Args:
        tree: What to check.
        paths: Check only what these files are part of and what depends on it (files that no longer exist count too);
            None checks everything.

    Returns:
        Problems; empty when all is well.
    """
    return check_files(Files(tree), paths)


def check_files(files: Files, paths: Iterable[str] | None = None) -> list[Problem]:
    """The same of files that others read too."""
    chosen = None if paths is None else list(paths)
    places = files.places if chosen is None else affected(files, chosen)
    problems = {problem for place in places for problem in _problems(files, place)}
    if chosen is None or PIPELINE in chosen:
        problems |= {*files.pipeline.problems()}
    looked_at = files.ids if chosen is None else chosen
    problems |= {*path_problems(files, looked_at), *shared_lock_problems(files, looked_at)}
    return sorted(problems, key=lambda p: (p.file, p.line or 0, p.subject, p.message))


def affected(files: Files, paths: Collection[str]) -> set[Place]:
    """The authored things the files are part of, and those that name them."""
    own = {place for place in map(place_of, paths) if place is not None}
    own |= sharing_versions(files, paths)
    sources = [place.name for place in own if place.kind == "source"]
    users = {p for name in sources for p in _naming(files, name, ("features/", "models/"))}
    sets = {f"{p.name}/{p.of}" for p in own | users if p.kind == "feature-set"}
    users |= {p for identity in sets for p in _naming(files, identity, ("models/",))}
    if any(place.kind == "environment" for place in own):
        users |= {place for place in files.places if place.kind in {"environment", "release", "gate"}}
    return own | users


def _naming(files: Files, text: str, prefixes: tuple[str, ...]) -> Iterator[Place]:
    for path in files.tree.containing(text, prefixes):
        place = place_of(path)
        if place is not None and path == place.file and place.kind in {"feature-set", "model"}:
            yield place


def _problems(files: Files, place: Place) -> Iterator[Problem]:
    if place not in files.places:
        return  # removed, with everything in it; or a directory of something else
    yield from name_problems(place)
    found = files.read(place)
    if found is None:
        yield Problem(file=place.file, message="there is no such file, but its directory exists")
        return
    yield from found.problems
    match place.kind:
        case "source":
            yield from source_problems(files, place)
        case "feature-set":
            yield from _feature_set_problems(files, place)
        case "model":
            yield from _model_problems(files, place)
        case "gate":
            yield from gate_problems(files, place)
        case "environment":
            yield from environment_problems(files, place)
        case "release":
            yield from release_problems(files, place)


def _feature_set_problems(files: Files, place: Place) -> Iterator[Problem]:
    read = files.read(place)
    definition = files.feature_set(f"{place.name}/{place.of}")
    if read is None or definition is None:
        return
    name = definition.source
    if Place("source", name) not in files.places:
        yield read.problem(place.file, ("source",), "there is no such source", name, files.names("source"))
    source = files.source(name)
    if source is None or name_problems(place):
        return
    versioned = VersionedFeatureSet(name=place.name, version=place.of, definition=definition, source=source)
    yield from _escape_problems(files, place, {("source",): name})
    for problem in set_problems(versioned):
        yield replace(problem, line=read.parsed.line(problem.subject.split(".")) if read.parsed else None)
    yield from feature_set_expectation_problems(files, versioned)


def _escape_problems(files: Files, place: Place, named: Mapping[Where, str]) -> Iterator[Problem]:
    """Names that their file does not spell out: who uses a thing is found by searching the files for its name."""
    read, raw = files.read(place), files.tree.read(place.file)
    for where, name in named.items():
        if read is not None and name.encode() not in raw:
            yield read.problem(place.file, where, "write the name without escapes", name)


def _model_problems(files: Files, place: Place) -> Iterator[Problem]:
    for name in MODEL_FILES:
        if not files.has(f"{place.folder}/{name}"):
            message = "every model version has this file, but it is missing"
            yield Problem(file=f"{place.folder}/{name}", message=message)
    yield from lock_problems(files, place)
    yield from files.read_run(place.name, place.of).problems
    definition = files.model(place.name, place.of)
    if files.has(f"{place.folder}/golden_rows.json"):
        yield from golden_row_problems(files, place, definition)
    if definition is not None:
        named: dict[Where, str] = {("features", i, "set"): use.set for i, use in enumerate(definition.features)}
        named |= {("spine", "source"): definition.spine.source, ("label", "source"): definition.label.source}
        yield from _escape_problems(files, place, named)
        yield from model_problems(files, place, definition)
        yield from run_problems(files, place, definition)
        yield from model_expectation_problems(files, place, definition)
