"""What is wrong with a model version beyond its definitions: what is generated from them, what they run in. Pure."""

from __future__ import annotations

from bighead_ci.errors import InputError, Problem
from bighead_ci.planning.dvc_pipeline import stale_pipeline
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.locks import lock_problems
from bighead_ci.planning.neighbours import neighbour_problems


def version_problems(inputs: Inputs, name: str, version: str) -> list[Problem]:
    """Problems of a version's `dvc.yaml`, locks and modules; those of its definitions are `check_tree`'s to find."""
    found = stale_pipeline(inputs.files.tree, name, version)
    try:
        model = inputs.definitions.model(name, version)
        return [*found, *lock_problems(inputs, model), *neighbour_problems(inputs, model)]
    except InputError:
        return found
