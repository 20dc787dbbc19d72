"""Problems of a model version's `run.yaml`: the moment and the data that its definition needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bighead_ci.definitions.check_models import reasons_for_time
from bighead_ci.definitions.files import RUN, Files, Place
from bighead_ci.documents.definition import ModelDefinition, RunDefinition, TimeSplit
from bighead_ci.errors import Problem


def moment_wanted(version: str) -> str:
    """What is right where a run of a version (`name/vN`) needs a moment."""
    return f"a moment with its zone; `bighead retrain {version} --as-of now` writes it"


def run_problems(files: Files, place: Place, definition: ModelDefinition) -> Iterator[Problem]:
    """Everything wrong with a version's run beyond its schema."""
    read = files.read_run(place.name, place.of)
    run, file = read.document, f"{place.folder}/{RUN}"
    if not isinstance(run, RunDefinition):
        return
    reasons = list(reasons_for_time(definition).values())
    if run.as_of is None and reasons:
        wanted = moment_wanted(f"{place.name}/{place.of}")
        yield read.problem(file, ("as_of",), f"as_of is required: {'; '.join(reasons)}", wanted=wanted)
    split = definition.split
    if run.as_of is not None and isinstance(split, TimeSplit) and run.as_of <= split.evaluate[0]:
        message = "nothing of the evaluation range is known at as_of"
        wanted = f"after {split.evaluate[0].isoformat()}"
        yield read.problem(file, ("as_of",), message, run.as_of.isoformat(), wanted=wanted)
    used = sources_of(files, definition)
    for name in run.data:
        if used is not None and name not in used:
            yield read.problem(file, ("data", name), "is no source of this model version", name, used)
    for name, others in shared_files(files, used or set()):
        if name in run.data and any(run.data.get(other) != run.data[name] for other in others):
            message = f"lies in one file with {', '.join(others)}: choose the same data for all of them"
            yield read.problem(file, ("data", name), message, run.data[name])


def shared_files(files: Files, sources: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Sources whose data lie in one file with others' → these others."""
    places = {name: source.path for name in sorted(sources) if (source := files.source(name)) is not None}
    for name, path in places.items():
        if others := [other for other, where in places.items() if where == path and other != name]:
            yield name, others


def sources_of(files: Files, definition: ModelDefinition) -> set[str] | None:
    """Sources of the spine, the label and the feature sets; None if a set cannot be read."""
    found = {definition.spine.source, definition.label.source}
    for use in definition.features:
        used = files.feature_set(use.set)
        if used is None:
            return None
        found.add(used.source)
    return found
