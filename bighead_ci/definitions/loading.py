"""Loads authored definitions as validated values. Each function names every problem of the files it reads.

Cross-file rules are `check`'s: a value from here fits its own schema, and a feature set fits its source.
"""

from __future__ import annotations

from typing import Any, TypeVar

from bighead_ci.definitions.files import Files, Kind, Place, name_problems, read_golden_rows
from bighead_ci.definitions.gate_file import GateFile, gate_of
from bighead_ci.definitions.release_file import read_release
from bighead_ci.documents.base import Document
from bighead_ci.documents.definition import (
    FeatureSetDefinition,
    ModelDefinition,
    RunDefinition,
    SourceDefinition,
    VersionedFeatureSet,
    VersionedModel,
)
from bighead_ci.documents.environment import EnvironmentDefinition
from bighead_ci.documents.release import PlacedRelease
from bighead_ci.documents.verdict import GateDefinition
from bighead_ci.errors import InputError, Problem
from bighead_ci.ports.tree import Tree
from bighead_ci.words import closest

AnyDocument = TypeVar("AnyDocument", bound=Document)


def load_source(tree: Tree, name: str) -> SourceDefinition:
    """A source.

    Raises:
        InputError: there is none of that name, or it has problems (all of them).
    """
    return _load(tree, Place("source", name), SourceDefinition)


def load_feature_set(tree: Tree, name: str, version: str) -> VersionedFeatureSet:
    """A feature set version with its source.

    Raises:
        InputError: it or its source is missing or has problems.
    """
    definition = _load(tree, Place("feature-set", name, version), FeatureSetDefinition)
    source = load_source(tree, definition.source)
    return VersionedFeatureSet(name=name, version=version, definition=definition, source=source)


def load_model(tree: Tree, name: str, version: str) -> VersionedModel:
    """A model version, with what its run.yaml says of a run.

    Raises:
        InputError: it is missing, or one of the two has problems.
    """
    definition = _load(tree, Place("model", name, version), ModelDefinition)
    run = Files(tree).read_run(name, version)
    if run.problems or not isinstance(run.document, RunDefinition):
        raise InputError(run.problems)
    return VersionedModel(name=name, version=version, definition=definition, run=run.document)


def load_environment(tree: Tree, name: str) -> EnvironmentDefinition:
    """An environment.

    Raises:
        InputError: it is missing or has problems.
    """
    return _load(tree, Place("environment", name), EnvironmentDefinition)


def load_release(tree: Tree, environment: str, model: str) -> PlacedRelease:
    """A model's release in an environment.

    Raises:
        InputError: it is missing or has problems.
    """
    place = Place("release", model, environment)
    try:
        raw = tree.read(place.file)
    except KeyError:
        raise InputError([absent(Files(tree), place)]) from None
    return PlacedRelease(environment=environment, model=model, release=read_release(environment, model, raw))


def load_gate(tree: Tree, name: str) -> GateDefinition:
    """A gate, its thresholds compiled to rules.

    Raises:
        InputError: it is missing or has problems.
    """
    return gate_of(name, _load(tree, Place("gate", name), GateFile))


def load_gates(tree: Tree) -> list[GateDefinition]:
    """All gates by name.

    Raises:
        InputError: some of them have problems (all of them); a broken gate is never passed over.
    """
    files = Files(tree)
    places = sorted(place for place in files.places if place.kind == "gate")
    reads = [(place, files.read(place)) for place in places]
    problems = [p for place, read in reads for p in (*name_problems(place), *(read.problems if read else ()))]
    if problems:
        raise InputError(problems)
    return [gate_of(place.name, read.document) for place, read in reads if read and isinstance(read.document, GateFile)]


def load_golden_rows(tree: Tree, name: str, version: str) -> Any:
    """The authored golden rows of a model version, as JSON data.

    Raises:
        InputError: the file is missing or not JSON.
    """
    found, problems = read_golden_rows(tree, f"models/{name}/{version}")
    if problems:
        raise InputError(problems)
    return found


def _load(tree: Tree, place: Place, expected: type[AnyDocument]) -> AnyDocument:
    files = Files(tree)
    found = files.read(place)
    if found is None:
        raise InputError([absent(files, place)])
    problems = [*name_problems(place), *found.problems]
    if problems or not isinstance(found.document, expected):
        raise InputError(problems)
    return found.document


_MOST_NAMES = 20
_WORDS: dict[Kind, str] = {
    "source": "source",
    "feature-set": "feature set",
    "model": "model version",
    "environment": "environment",
    "release": "release",
    "gate": "gate",
}


def absent(files: Files, place: Place) -> Problem:
    """Says that something is not there, and what is."""
    versioned = place.kind in {"feature-set", "model"}
    wanted = f"{place.name}/{place.of}" if versioned else place.name
    known = (
        sorted(p.name for p in files.places if p.kind == "release" and p.of == place.of)
        if place.kind == "release"
        else files.names(place.kind)
    )
    allowed = ", ".join(known[:_MOST_NAMES]) + (" …" if len(known) > _MOST_NAMES else "")
    message = f"there is no such {_WORDS[place.kind]}"
    if not known:
        begin = f"none yet: begin with `bighead new {place.kind}`"
        allowed = begin if place.kind in {"source", "feature-set", "model"} else "none yet"
    return Problem(file=place.file, message=message, value=wanted, allowed=allowed, suggestion=closest(wanted, known))
