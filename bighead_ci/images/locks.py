"""Makes the locks of a model version with uv: exact, hashed, for every platform, naming nobody's index."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from uv import find_uv_bin

from bighead_ci.definitions.lock_file import HEADER, HOW, asked_for, packages, read_lock
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.documents.base import write_atomically
from bighead_ci.errors import InputError
from bighead_ci.images.python_environments import installer_error
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.locks import Lock, needed
from bighead_ci.planning.stages import LOCK_OF
from bighead_ci.ports.progress import Progress

OLDEST_PYTHON = "3.11"
"""A lock installs on this one and every newer one."""

Packages = dict[str, str]


def write_locks(
    place: StagePlace,
    inputs: Inputs,
    asked: Mapping[str, Sequence[str]],
    dropped: Collection[str],
    progress: Progress,
) -> dict[str, tuple[Packages, Packages]]:
    """Write both locks of a model version; lock → (distribution → version before, after).

    What its authors asked for before is asked for again, unless it is dropped, or asked for otherwise now.

    Raises:
        InputError: a requirement is not written as it must be, or what is asked for cannot be had together.
        RetryError: the package index does not answer.
    """
    _, name, version = place.directory.split("/")
    model = inputs.definitions.model(name, version)
    texts: dict[Lock, tuple[bytes, bytes]] = {}
    locks: tuple[Lock, ...] = ("training", "serving")
    for lock in locks:
        file, new = place.path / LOCK_OF[lock], list(asked.get(lock, ()))
        before = file.read_bytes() if file.exists() else b""
        changed = {_name(one) for one in (*new, *dropped)}
        kept = [one for one in asked_for(before) if _name(one) not in changed]
        texts[lock] = before, compile_lock(needed(inputs, model, lock), kept, new, before, progress)
    for lock, (_, after) in texts.items():
        write_atomically(place.path / LOCK_OF[lock], after)
    return {lock: (packages(read_lock("", a)[0]), packages(read_lock("", b)[0])) for lock, (a, b) in texts.items()}


def compile_lock(
    needed: Collection[str], kept: Sequence[str], new: Sequence[str], before: bytes, progress: Progress
) -> bytes:
    """The text of a lock.

    Versions stay as they were: those of the lock before, else those of the running environment, so that it satisfies
    the lock wherever nothing else was asked for.

    Args:
        needed: Distributions that the engine imports there.
        kept: What the version's authors asked for earlier.
        new: What they ask for now: `torch`, `scikit-learn==1.8.0`.
        before: The lock as it is; empty for a first one.
        progress: Gets what is asked of uv.

    Raises:
        InputError: what is asked for cannot be had together; carries uv's own words.
        RetryError: the package index does not answer.
    """
    wanted = [*sorted(needed), *kept, *new]
    with TemporaryDirectory(prefix="bighead-lock-") as name:
        source, lock = Path(name) / "requirements.in", Path(name) / "requirements.lock"
        source.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        lock.write_text("\n".join(_preferred(before)) + "\n", encoding="utf-8")
        command = [find_uv_bin(), *HOW.split()[1:], "--python-version", OLDEST_PYTHON, "--no-header", "--no-annotate"]
        command += [word for one in new for word in ("--upgrade-package", one)]
        progress(f"{HOW}: {', '.join(wanted)}")
        done = subprocess.run(
            [*command, "--quiet", "--output-file", str(lock), str(source)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise installer_error(f"no lock has all of {', '.join(wanted)}: {done.stderr.strip()}")
        return f"{HEADER}{' '.join([*kept, *new]) or 'nothing'}\n".encode() + lock.read_bytes()


def _preferred(before: bytes) -> list[str]:
    pins, _ = read_lock("", before)
    if pins:
        return [f"{pin.name}=={pin.version}" for pin in pins]
    found = {dist.metadata["Name"]: dist.version for dist in metadata.distributions()}
    return [f"{name}=={version}" for name, version in sorted(found.items()) if name]


def _name(requirement: str) -> str:
    try:
        return canonicalize_name(Requirement(requirement).name)
    except InvalidRequirement as error:
        raise InputError(f"{requirement!r} is no requirement: {error}; as torch, or scikit-learn==1.8.0") from error
