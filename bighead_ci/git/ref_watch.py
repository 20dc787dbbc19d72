"""Notices that refs moved, from the times of directories: no git process, whatever else wrote.

Locks that killed processes left on branches are removed on the way: a person's push would wait for ever.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from bighead_ci.git.process import remove_stale_locks

SETTLED_SECONDS = 0.05
"""A directory that changed this lately may change again without its time moving: file systems tick slowly."""
LONGEST_SECONDS = 30.0
"""At least this often the answer is yes: some file systems do not tell."""
WATCHED = ("refs/heads", "refs/bighead/pulls", "refs/bighead/checks")


class RefWatch:
    """Implements `runner.watch.Refs` for branches, pull requests and checks of a repository on this machine.

    A ref is written beside and renamed, so its directory's time changes; refs are packed into a file that is replaced.

    Args:
        directory: The git directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files = [directory / "packed-refs", directory / "reftable" / "tables.list"]
        self._roots = [directory / name for name in WATCHED]
        self._directories: dict[Path, tuple[int, list[Path]]] = {}
        """Directory → its time when it was listed, and the directories in it."""
        self._seen: list[tuple[str, int, int]] | None = None
        self._settled = False
        self._due = self._next_cleaning = 0.0

    def moved(self) -> bool:
        """Whether any ref may have moved since the last call; the first says yes."""
        if time.monotonic() >= self._next_cleaning:
            remove_stale_locks(self._directory)
            self._next_cleaning = time.monotonic() + LONGEST_SECONDS
        began = time.time_ns()
        now = [_mark(file) for file in self._files]
        for root in self._roots:
            now += self._marks_below(root)
        moved = now != self._seen or not self._settled or time.monotonic() >= self._due
        if moved:
            self._due = time.monotonic() + LONGEST_SECONDS
        self._settled = all(began - at > SETTLED_SECONDS * 1e9 for _, at, _ in now)
        self._seen = now
        return moved

    def _marks_below(self, directory: Path) -> list[tuple[str, int, int]]:
        mark = _mark(directory)
        time_listed, inside = self._directories.get(directory, (-1, []))
        if mark[1] != time_listed or not self._settled:
            inside = _directories_in(directory)
            self._directories[directory] = (mark[1], inside)
        found = [mark]
        for one in inside:
            found += self._marks_below(one)
        return found


def _mark(path: Path) -> tuple[str, int, int]:
    """What changes when a file is replaced or a directory's entries are."""
    try:
        found = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), found.st_mtime_ns, found.st_ino


def _directories_in(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []
