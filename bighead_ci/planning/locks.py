"""Which distributions a version's locks must have: what the engine and the version's code import there. Pure."""

from __future__ import annotations

from typing import Literal

from bighead_ci.documents.definition import VersionedModel
from bighead_ci.errors import Problem
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.stages import LOCK_OF, SERVING_ENTRY_POINT, STAGES, serving_entry_point, stages_of
from bighead_ci.ports.engine import Engine

Lock = Literal["training", "serving"]
BY_NAME = {"uvicorn": frozenset({"httptools", "uvloop"})}
"""Distribution → those that it finds by name, where no import shows them: the server's parser and loop."""


def needed_by_engine(engine: Engine, lock: Lock) -> set[str]:
    """Distributions that a lock of any version must have."""
    roots = {stage.module for stage in STAGES if stage.environment == lock}
    roots |= {SERVING_ENTRY_POINT} if lock == "serving" else set()
    found = set(engine.component(roots).distributions)
    return found.union(*(BY_NAME.get(name, ()) for name in found))


def needed(inputs: Inputs, model: VersionedModel, lock: Lock) -> set[str]:
    """Distributions that a lock of a version must have: those of the engine, and what the version's code imports there.

    What is imported and not in the lock would come from wherever the stage happens to run, and no key would say so.
    """
    found, kind = needed_by_engine(inputs.engine, lock), model.definition.serving.kind
    if lock == "serving":
        found |= inputs.engine.component({serving_entry_point(kind)}).distributions.keys()
    for stage in stages_of(kind):
        if stage.environment == lock and stage.reads_code:
            found |= inputs.component(stage, model).distributions.keys()
            found |= inputs.libraries(model).keys()
    return found


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
        missing = sorted(needed(inputs, model, lock) - {pin.name for pin in found.pins})
        if missing:
            message = f"lacks {', '.join(missing)}, which is imported there: run `bighead lock {model.path}`"
            problems.append(Problem(file=path, message=message))
    return problems
