"""Makes the locks of a model version with uv: exact, hashed, for every platform, naming nobody's index."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from uv import find_uv_bin

from bighead_ci.definitions.check_locks import named_locks
from bighead_ci.definitions.files import Files
from bighead_ci.definitions.lock_file import HOW, asked_for, asking_for, packages, read_pins
from bighead_ci.definitions.scaffold import default_lock
from bighead_ci.definitions.shared_locks import WholeLock, is_shared, share, shared_path, shared_problems
from bighead_ci.definitions.tree import DirectoryTree
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


@dataclass(frozen=True)
class Locked:
    """What was written for a model version."""

    changes: dict[Lock, tuple[Packages, Packages]]
    """Lock → (distribution → version before, after)."""
    written: list[str]
    """Paths, relative to the checkout."""
    removed: list[str]
    """Shared locks that the version named, and no version does any more."""


def write_locks(
    place: StagePlace,
    inputs: Inputs,
    asked: Mapping[str, Sequence[str]],
    dropped: Collection[str],
    progress: Progress,
) -> Locked:
    """Write both locks of a model version.

    What its authors asked for before is asked for again, unless it is dropped, or asked for otherwise now.

    Raises:
        InputError: a requirement is not written as it must be, or what is asked for cannot be had together.
        RetryError: the package index does not answer.
    """
    _, name, version = place.directory.split("/")
    model = inputs.definitions.model(name, version)
    locks: tuple[Lock, ...] = ("training", "serving")
    before: dict[Lock, WholeLock] = {}
    after: dict[Lock, bytes] = {}
    for lock in locks:
        file, new = f"{place.directory}/{LOCK_OF[lock]}", list(asked.get(lock, ()))
        old = before[lock] = inputs.files.lock(file) if inputs.files.has(file) else WholeLock(b"", (), None, ())
        changed = {_name(one) for one in (*new, *dropped)}
        kept = [one for one in asked_for(old.text) if _name(one) not in changed]
        known = old.text if old.pins and not old.problems else default_lock(LOCK_OF[lock])
        wanted = needed(inputs, model, lock, {_name(one) for one in (*kept, *new)})
        after[lock] = compile_lock(wanted, kept, new, known, progress)
    files: dict[str, bytes] = {}
    for lock, whole in after.items():
        own, shared = share(whole, _candidates(inputs.files, lock), before[lock].shared)
        files |= {shared_path(shared): shared} if shared else {}
        files[f"{place.directory}/{LOCK_OF[lock]}"] = own
    written = _write(place.checkout, dict(sorted(files.items())))  # what is named before what names it
    removed = _remove_unnamed(place.checkout, {old.shared for old in before.values() if old.shared})
    changes = {lock: (packages(before[lock].pins), packages(read_pins("", after[lock])[0])) for lock in locks}
    return Locked(changes, written, removed)


def _candidates(files: Files, lock: Lock) -> Iterator[bytes]:
    """Shared locks that a version could name: the engine's own, and those of the checkout."""
    yield default_lock(LOCK_OF[lock])
    for path in filter(is_shared, files.ids):
        text = files.tree.read(path)
        if not shared_problems(path, text):
            yield text


def _write(checkout: Path, files: Mapping[str, bytes]) -> list[str]:
    """Write what is not there as it should be; its paths."""
    tree = DirectoryTree(checkout)
    there = {path: tree.read(path) for path in files.keys() & tree.files().keys()}
    written = [path for path, text in files.items() if there.get(path) != text]
    for path in written:
        write_atomically(checkout / path, files[path])
    return written


def _remove_unnamed(checkout: Path, shared: Iterable[str]) -> list[str]:
    """Remove those shared locks that no version names; their paths."""
    named = named_locks(Files(DirectoryTree(checkout)))
    removed = sorted(path for path in shared if path not in named and (checkout / path).is_file())
    for path in removed:
        (checkout / path).unlink()
    return removed


def compile_lock(
    needed: Collection[str], kept: Sequence[str], new: Sequence[str], before: bytes, progress: Progress
) -> bytes:
    """The text of a lock that shares nothing.

    Versions and hashes stay as they were: those of the lock before; for what it has not, the versions of the running
    environment, so that it satisfies the lock wherever nothing else was asked for.

    Args:
        needed: Distributions that the engine imports there.
        kept: What the version's authors asked for earlier.
        new: What they ask for now: `torch`, `scikit-learn==1.8.0`.
        before: All that the lock says now; empty for a first one.
        progress: Gets what is asked of uv.

    Raises:
        InputError: what is asked for cannot be had together; carries uv's own words.
        RetryError: the package index does not answer.
    """
    wanted = [*sorted(needed), *kept, *new]
    with TemporaryDirectory(prefix="bighead-lock-") as name:
        source, lock = Path(name) / "requirements.in", Path(name) / "requirements.lock"
        source.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        lock.write_bytes(before + b"\n" + _running(before))
        command = [find_uv_bin(), *HOW.split()[1:], "--python-version", OLDEST_PYTHON, "--no-header", "--no-annotate"]
        command += [word for one in new for word in ("--upgrade-package", one)]
        progress(f"{HOW}: {', '.join(wanted)}")
        done = subprocess.run(
            [*command, "--quiet", "--output-file", str(lock), str(source)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise installer_error(f"no lock has all of {', '.join(wanted)}: {done.stderr.strip()}")
        return asking_for([*kept, *new]) + lock.read_bytes()


def _running(before: bytes) -> bytes:
    """Pins of what the running environment has and a lock has not."""
    known = {pin.name for pin in read_pins("", before)[0]}
    found = {canonicalize_name(dist.metadata["Name"] or ""): dist.version for dist in metadata.distributions()}
    return "".join(f"{name}=={found[name]}\n" for name in sorted(found.keys() - known - {""})).encode()


def _name(requirement: str) -> str:
    try:
        return canonicalize_name(Requirement(requirement).name)
    except InvalidRequirement as error:
        raise InputError(f"{requirement!r} is no requirement: {error}; as torch, or scikit-learn==1.8.0") from error
