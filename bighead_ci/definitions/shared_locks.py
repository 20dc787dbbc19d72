"""Locks of model versions, and the locks that they share by digest.

`models/_locks/<sha256>.lock` holds pins and is named by the SHA-256 of its bytes: it is written once and never edited.
A version's `training.lock` or `serving.lock` has at most one line `-r ../../_locks/<sha256>.lock`, as pip and uv read
it, and the pins that are not in there. One that holds all of its pins itself names none.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packaging.version import Version

from bighead_ci.definitions.lock_file import ALLOWED, HEADER, NoPin, Pin, header, read_pins, read_statements
from bighead_ci.errors import Problem
from bighead_ci.ports.tree import Tree

DIRECTORY = "models/_locks"
"""Where shared locks are; no model can have that name."""
_PATH = re.compile(rf"{DIRECTORY}/[0-9a-f]{{64}}\.lock")
_NAMING = re.compile(r"-r \.\./\.\./(_locks/[0-9a-f]{64}\.lock)")
_NAMING_ALLOWED = f"{ALLOWED}, and one line -r ../../_locks/<sha256>.lock"


@dataclass(frozen=True)
class WholeLock:
    """A version's lock with what it shares."""

    text: bytes
    """All that it says, in one: what an environment is made from."""
    pins: tuple[Pin, ...]
    shared: str | None
    """Path of the shared lock that it names."""
    problems: tuple[Problem, ...]
    """What is wrong with it, or with what it shares; then its text and pins are not all."""


def read_lock(tree: Tree, file: str) -> WholeLock:
    """A version's lock, with all that is wrong with it.

    One that names a shared lock means the pins of both, in the order in which uv writes them: however a lock of uv's is
    kept, its text is the same, and so are the keys and the environment of its version.

    Raises:
        KeyError: there is no such file.
    """
    raw = tree.read(file)
    own, others, problems = read_statements(file, raw)
    naming = {one: match[1] for one in others if (match := _NAMING.fullmatch(one.statement))}
    problems += [_not_allowed(file, one) for one in others if one not in naming]
    if not naming:
        return WholeLock(raw, tuple(own), None, (*problems, *_clashes((file, pin) for pin in own)))
    line, *more = naming
    problems += [one.problem(file, "a lock names one shared lock at most") for one in more]
    shared = f"models/{naming[line]}"
    base, found = _named(tree, file, line, shared)
    clashes = _clashes([*((shared, pin) for pin in base), *((file, pin) for pin in own)])
    pins = sorted([*base, *own], key=lambda pin: (pin.name, Version(pin.version)))
    return WholeLock(header(raw) + _text(pins), tuple(pins), shared, (*problems, *found, *clashes))


def named_lock(raw: bytes) -> str | None:
    """Path of the shared lock that a version's lock names."""
    _, others, _ = read_statements("", raw)
    found = [match[1] for one in others if (match := _NAMING.fullmatch(one.statement))]
    return f"models/{found[0]}" if found else None


def shared_path(text: bytes) -> str:
    """Where a shared lock of that text is."""
    return f"{DIRECTORY}/{hashlib.sha256(text).hexdigest()}.lock"


def is_in_directory(path: str) -> bool:
    """Whether a path is where shared locks are, whatever it is called."""
    return path.startswith(f"{DIRECTORY}/")


def is_shared(path: str) -> bool:
    """Whether a shared lock may have that path."""
    return _PATH.fullmatch(path) is not None


def shared_text(whole: bytes) -> bytes:
    """What a lock without problems would be as a shared one: its pins, and neither header nor comments."""
    return _text(read_pins("", whole)[0])


def share(whole: bytes, candidates: Iterable[bytes], current: str | None) -> tuple[bytes, bytes | None]:
    """How a lock without problems is kept: the version's own file, and the shared lock that it names.

    Of the candidates that it has every pin of, that to which it adds least, and of equals the one that it names now; if
    none has half of its pins, a shared lock of its own. None where there is nothing to share.

    Args:
        whole: The lock.
        candidates: Texts of shared locks.
        current: Path of the one that it names now.
    """
    alone = shared_text(whole)
    if not alone:
        return whole, None
    found = []
    for shared in {*candidates}:
        kept = sharing_lock(whole, shared)
        if kept is not None and kept.added <= len(read_pins("", shared)[0]):
            path = shared_path(shared)
            found.append((kept.added, path != current, path, kept.text, shared))
    if not found:
        return header(whole) + _line_naming(alone), alone
    *_, text, shared = min(found)
    return text, shared


@dataclass(frozen=True)
class SharingLock:
    """A lock as one that names a shared lock."""

    text: bytes
    added: int
    """Pins that the shared lock has not."""


def sharing_lock(whole: bytes, shared: bytes) -> SharingLock | None:
    """A lock as one that names a shared lock; None if it lacks one of its pins. Both are without problems."""
    pins, base = (read_pins("", raw)[0] for raw in (whole, shared))
    known = {pin.text for pin in base}
    if not known <= {pin.text for pin in pins}:
        return None
    added = [pin for pin in pins if pin.text not in known]
    return SharingLock(header(whole) + _line_naming(shared) + _text(added), len(added))


def lock_naming(shared: bytes) -> bytes:
    """A lock of what the engine needs, all of it in a shared lock."""
    return f"{HEADER}nothing\n".encode() + _line_naming(shared)


def shared_problems(path: str, raw: bytes) -> list[Problem]:
    """What is wrong with a file of the directory of shared locks, whoever names it."""
    if not is_shared(path):
        message = "nothing reads this: here are shared locks alone, and `bighead lock` writes them"
        return [Problem(file=path, message=message, allowed=f"{DIRECTORY}/<sha256>.lock")]
    if path != (right := shared_path(raw)):
        message = f"its name is not the SHA-256 of what it holds, for a shared lock is never edited: {_back(path)}"
        return [Problem(file=path, message=message, value=right)]
    return read_pins(path, raw)[1]


def _named(tree: Tree, file: str, line: NoPin, shared: str) -> tuple[list[Pin], list[Problem]]:
    """The pins of the shared lock that a line of a lock names, and what is wrong with it."""
    try:
        raw = tree.read(shared)
    except KeyError:
        message = (
            f"there is no {shared}: {_back(shared)}, run `bighead lock {file.rpartition('/')[0]}`, or, if it is here "
            "and git ignores it, `git add --force` it"
        )
        return [], [line.problem(file, message)]
    problems = shared_problems(shared, raw)
    return ([] if problems else read_pins(shared, raw)[0]), problems


def _back(path: str) -> str:
    return f"bring it back from a commit that has it (git log --all -- {path})"


def _line_naming(shared: bytes) -> bytes:
    return f"-r {shared_path(shared).replace('models', '../..', 1)}\n".encode()


def _text(pins: Iterable[Pin]) -> bytes:
    return "".join(pin.text for pin in pins).encode()


def _not_allowed(file: str, one: NoPin) -> Problem:
    if not one.statement.startswith("-"):
        return one.problem(file)
    return one.problem(file, "an option: a lock holds pins, and may name one shared lock", _NAMING_ALLOWED)


def _clashes(pins: Iterable[tuple[str, Pin]]) -> Iterator[Problem]:
    """Two versions of one distribution where no marker tells which is for whom: installers refuse that."""
    earlier: dict[str, list[tuple[str, Pin]]] = {}
    for file, pin in pins:
        for other_file, other in earlier.get(pin.name, ()):
            if pin.version != other.version and (pin.marker == other.marker or not (pin.marker and other.marker)):
                message = f"is pinned to {other.version} by {other_file}:{other.line} too: run `bighead lock` on it"
                yield Problem(file=file, line=pin.line, message=message, value=f"{pin.name}=={pin.version}")
                break
        earlier.setdefault(pin.name, []).append((file, pin))
