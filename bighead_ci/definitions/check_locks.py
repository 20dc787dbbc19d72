"""What is wrong with the locks of model versions, and with those that they share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bighead_ci.definitions.check_paths import is_for_people
from bighead_ci.definitions.files import LOCKS, Files, Place, place_of
from bighead_ci.definitions.shared_locks import is_in_directory, named_lock, shared_problems
from bighead_ci.errors import Problem

_OF_A_VERSION = re.compile(rf"models/[^/]+/[^/]+/({'|'.join(map(re.escape, LOCKS))})")


def lock_problems(files: Files, place: Place) -> Iterator[Problem]:
    """Of the locks of a model version, and of what they share."""
    for path in (f"{place.folder}/{lock}" for lock in LOCKS):
        if files.has(path):
            yield from files.lock(path).problems


def shared_lock_problems(files: Files, paths: Iterable[str]) -> Iterator[Problem]:
    """Of shared locks: all of them, if a lock of a version or a shared one is among the paths that are looked at."""
    if not any(is_in_directory(path) or _OF_A_VERSION.fullmatch(path) for path in paths):
        return
    named = named_locks(files)
    for path in sorted(path for path in files.ids if is_in_directory(path) and not is_for_people(path)):
        problems = shared_problems(path, files.tree.read(path))
        if not problems and path not in named:
            problems = [Problem(file=path, message=f"no model version shares this lock: git rm {path}")]
        yield from problems


def shared_locks(files: Files, place: Place) -> set[str]:
    """Paths of the shared locks that a model version names."""
    locks = [files.lock(path) for lock in LOCKS if files.has(path := f"{place.folder}/{lock}")]
    return {lock.shared for lock in locks if lock.shared is not None}


def sharing_versions(files: Files, paths: Iterable[str]) -> set[Place]:
    """Model versions that share some of the locks of these paths."""
    wanted = {path for path in paths if is_in_directory(path)}
    named = named_locks(files) if wanted else {}
    return {place for path in wanted for lock in named.get(path, ()) if (place := place_of(lock))}


def named_locks(files: Files) -> dict[str, list[str]]:
    """Shared lock → locks of versions that name it. Each text is read once, for most versions have the same."""
    same: dict[str, list[str]] = {}
    for path in filter(_OF_A_VERSION.fullmatch, files.ids):
        same.setdefault(files.ids[path], []).append(path)
    found: dict[str, list[str]] = {}
    for paths in same.values():
        shared = named_lock(files.tree.read(paths[0]))
        if shared is not None:
            found.setdefault(shared, []).extend(paths)
    return found
