"""Which sandbox a machine has, and which limits whoever runs the checks has set."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

from bighead_ci.documents.sandbox import KINDS, Limits, SandboxKind
from bighead_ci.errors import InputError
from bighead_ci.ports.sandbox import Sandbox
from bighead_ci.sandbox import bubblewrap, container, kernel
from bighead_ci.sandbox.bubblewrap import BubblewrapSandbox
from bighead_ci.sandbox.container import ContainerSandbox
from bighead_ci.sandbox.kernel import KernelSandbox
from bighead_ci.sandbox.unconfined import Unconfined

VARIABLE = "BIGHEAD_SANDBOX"
"""`auto`, which is the default: the strongest that works here; or the name of one, which must work."""
LIMITS_VARIABLE = "BIGHEAD_SANDBOX_LIMITS"
"""As `seconds=3600 memory=8GB processes=64 disk=20GB`; what is not named keeps its default."""
DEFAULT_SECONDS = 6 * 3600.0
DEFAULT_PROCESSES = 512
DEFAULT_DISK = 64 * 10**9
_SHARE_OF_MEMORY = 0.9
_UNITS = {"MB": 10**6, "GB": 10**9}


def why_not(kind: SandboxKind) -> str:
    """Why a kind cannot be had on this machine; empty when it can."""
    asked: dict[SandboxKind, Callable[[], str]] = {
        "bubblewrap": bubblewrap.why_not,
        "docker": container.why_not,
        "kernel": kernel.why_not,
    }
    return asked[kind]() if kind in asked else ""


def sandbox_of(variables: Mapping[str, str]) -> Sandbox:
    """The sandbox that environment variables ask for.

    Raises:
        InputError: there is no such sandbox, or this machine does not have it; says why, and what to do.
    """
    wanted = variables.get(VARIABLE) or "auto"
    made: dict[SandboxKind, Callable[[], Sandbox]] = {
        "bubblewrap": BubblewrapSandbox,
        "docker": ContainerSandbox,
        "kernel": KernelSandbox,
        "none": Unconfined,
    }
    if wanted == "auto":
        return made[next(kind for kind in KINDS if not why_not(kind))]()
    kind = next((kind for kind in KINDS if kind == wanted), None)
    if kind is None:
        raise InputError(f"{VARIABLE} must be one of auto, {', '.join(KINDS)}; got {wanted!r}")
    if reason := why_not(kind):
        raise InputError(f"{VARIABLE} is {wanted}, and this machine does not have it: {reason}. Unset it, or say none")
    return made[kind]()


def limits_of(variables: Mapping[str, str]) -> Limits:
    """The limits that environment variables ask for.

    Raises:
        InputError: what is asked for is no limit; names every wrong word.
    """
    asked: dict[str, float | int] = {
        "seconds": DEFAULT_SECONDS,
        "memory": _memory(),
        "processes": DEFAULT_PROCESSES,
        "disk": DEFAULT_DISK,
    }
    wrong = []
    for word in (variables.get(LIMITS_VARIABLE) or "").split():
        found = re.fullmatch(r"(seconds|processes)=([1-9][0-9]{0,8})|(memory|disk)=([1-9][0-9]{0,8})(MB|GB)", word)
        if found is None:
            wrong.append(word)
        elif found[1]:
            asked[found[1]] = int(found[2])
        else:
            asked[found[3]] = int(found[4]) * _UNITS[found[5]]
    if wrong:
        raise InputError(
            f"{LIMITS_VARIABLE}: {', '.join(map(repr, wrong))} is no limit; as seconds=3600 memory=8GB processes=64 "
            "disk=20GB"
        )
    return Limits.model_validate(asked)


def _memory() -> int:
    """Most of what the machine has."""
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * _SHARE_OF_MEMORY)
