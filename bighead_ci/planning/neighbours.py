"""Names of modules beside a model.py that libraries have, too: only one of the two can be imported. Pure."""

from __future__ import annotations

import sys

from packaging.utils import canonicalize_name

from bighead_ci.definitions.files import LOCKS
from bighead_ci.documents.definition import VersionedModel
from bighead_ci.errors import Problem
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.locks import FRAMEWORKS

MODEL = "model"


def neighbour_problems(inputs: Inputs, model: VersionedModel) -> list[Problem]:
    """Modules of a version that have the name of one of Python's own, or of a library in one of its locks.

    Which modules a locked distribution has is known of those that the engine has, of frameworks, and of those that are
    called as their module; others are found when the version's code is imported.
    """
    return [
        Problem(
            file=f"{model.path}/{file}",
            message=f"has the name of a library ({origin}), which hides it: give it another name",
            value=name,
        )
        for name, file in sorted(_modules(inputs, model).items())
        if name != MODEL and (origin := _origin(inputs, model, name))
    ]


def _modules(inputs: Inputs, model: VersionedModel) -> dict[str, str]:
    """Module → file or directory beside model.py that would be imported by that name."""
    found = {}
    for path in inputs.files.under(f"{model.path}/"):
        first, slash, rest = path.partition("/")
        if path.endswith(".py") and "/" not in rest:
            found[first.removesuffix(".py")] = f"{first}{slash}"
    return {name: file for name, file in found.items() if name.isidentifier()}


def _origin(inputs: Inputs, model: VersionedModel, name: str) -> str:
    """What library has a module of that name; empty where none is known to."""
    if name in sys.stdlib_module_names:
        return "of Python itself"
    known = {canonicalize_name(name), *FRAMEWORKS.get(name, ()), *inputs.engine.distributions({name})}
    for lock in LOCKS:
        path = f"{model.path}/{lock}"
        pins = {pin.name for pin in inputs.files.lock(path).pins} if inputs.files.has(path) else set()
        if found := sorted(known & pins):
            return f"{found[0]} of {lock}"
    return ""
