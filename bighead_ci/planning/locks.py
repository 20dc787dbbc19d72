"""Which distributions a version's locks must have: what the engine and the version's code import there. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from bighead_ci.documents.definition import DeclaredKind, VersionedModel
from bighead_ci.errors import Problem
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.stages import LOCK_OF, Server, Stage, servers_of, stages_of
from bighead_ci.ports.engine import Engine

Lock = Literal["training", "serving"]
FRAMEWORKS = {
    "catboost": frozenset({"catboost"}),
    "jax": frozenset({"jax"}),
    "keras": frozenset({"keras"}),
    "lightgbm": frozenset({"lightgbm"}),
    "statsmodels": frozenset({"statsmodels"}),
    "tensorflow": frozenset({"tensorflow", "tensorflow-cpu", "tensorflow-macos"}),
    "transformers": frozenset({"transformers"}),
    "xgboost": frozenset({"xgboost", "xgboost-cpu"}),
}
"""Module → the distributions that have it, any of which will do. Of others, those are known that the engine has."""
BY_NAME = {"uvicorn": frozenset({"httptools", "uvloop"})}
"""Distribution → those that it finds by name, where no import shows them: the server's parser and loop."""
_OF_FRAMEWORKS = frozenset().union(*FRAMEWORKS.values())


def needed_by_engine(engine: Engine, lock: Lock, declared: DeclaredKind | None = None) -> set[str]:
    """Distributions that the engine needs in a lock of a version that asks for this kind of artifact."""
    found = set(engine.component({name for one in _started(lock, declared) for name in one.modules}).distributions)
    return found.union(*(BY_NAME.get(name, ()) for name in found))


def needed(inputs: Inputs, model: VersionedModel, lock: Lock, asked: Collection[str] = ()) -> set[str]:
    """Distributions that a lock of a version must have: those of the engine, and what the version's code imports there.

    What is imported and not in the lock would come from wherever the stage happens to run, and no key would say so.

    Args:
        inputs: Of the tree.
        model: The version.
        lock: Which one.
        asked: Distributions that its authors ask for. Of several that have one framework, these stand for the one that
            is installed here: both would lie in one place.
    """
    declared = model.definition.serving.kind
    found, started = needed_by_engine(inputs.engine, lock, declared), _started(lock, declared)
    if any(one.reads_code for one in started):
        found |= inputs.component_of(started, model).distributions.keys() | inputs.libraries(model).keys()
    for any_of in FRAMEWORKS.values():
        if chosen := any_of.intersection(asked):
            found -= any_of - chosen
    return found


def _started(lock: Lock, declared: DeclaredKind | None) -> list[Stage | Server]:
    """What may start in the environment of a lock: stages, and the process that answers."""
    started: list[Stage | Server] = [way for stage in stages_of(declared) for way in stage.ways]
    started += servers_of(declared).values()
    return [one for one in started if one.environment == lock]


def lock_problems(inputs: Inputs, model: VersionedModel) -> list[Problem]:
    """What a version's locks lack; what is wrong with the text of one, or of what it shares, `check_tree` finds."""
    problems = []
    locks: tuple[Lock, ...] = ("training", "serving")
    for lock in locks:
        path = f"{model.path}/{LOCK_OF[lock]}"
        if not inputs.files.has(path):
            continue
        found = inputs.files.lock(path)
        if found.shared and found.problems:
            continue  # what it shares may be missing
        pinned = {pin.name for pin in found.pins}
        missing = sorted(needed(inputs, model, lock) - pinned - _OF_FRAMEWORKS)
        if missing:
            message = f"lacks {', '.join(missing)}, which is imported there: run `bighead lock {model.path}`"
            problems.append(Problem(file=path, message=message))
        problems += _framework_problems(inputs, model, lock, pinned)
    return problems


def _framework_problems(inputs: Inputs, model: VersionedModel, lock: Lock, pinned: Collection[str]) -> list[Problem]:
    """What of a version's code imports a framework that no distribution of a lock has, where it runs in that lock."""
    if not any(one.reads_code for one in _started(lock, model.definition.serving.kind)):
        return []
    problems = []
    for path, imports in inputs.imports(model).items():
        for name in sorted(imports.lines.keys() & FRAMEWORKS.keys()):
            if FRAMEWORKS[name].isdisjoint(pinned):
                ask = f"`bighead lock {model.path} --{lock} {min(FRAMEWORKS[name])}`"
                message = f"imports {name}, which {LOCK_OF[lock]} lacks: run {ask}"
                problems.append(Problem(file=path, line=imports.lines[name], message=message))
    return problems
