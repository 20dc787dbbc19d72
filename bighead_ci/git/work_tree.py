"""A person's work tree, as their own git sees it: what a commit of everything in it would hold."""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from bighead_ci.errors import InputError
from bighead_ci.git_environment import person_environment

_ORDINARY, _ABSENT = "100644", "000000"
_FIELDS = {"1": 9, "u": 11}
"""First word of a line of `git status --porcelain=v2` → words of it: a changed file, one with a conflict."""
_HEAD_MODE, _WORK_MODE = 3, 5


@dataclass(frozen=True)
class WorkTree:
    """What git says of a work tree; the owner's settings count, as they do when he commits."""

    directory: Path

    @cached_property
    def files(self) -> frozenset[str]:
        """Paths that git has or would take; some may be deleted. What it ignores is in no commit."""
        return frozenset({*self._listed("ls-files", "--cached", "-z"), *self._status[1]})

    @property
    def head(self) -> str | None:
        """Its last commit; None before the first."""
        done = run_as_person(self.directory, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        return done.stdout.decode().strip() or None

    @property
    def uncommitted(self) -> list[str]:
        """Paths that the last commit has not, or has otherwise, sorted."""
        return sorted({*self._status[0], *self._status[1]})

    @property
    def special(self) -> list[str]:
        """Those of them that are executable or links, and were ordinary files or nothing."""
        new = (path for path in self._status[1] if _is_special(self.directory / path))
        return sorted({*(path for path, (before, now) in self._status[0].items() if _differs(before, now)), *new})

    @property
    def fetched(self) -> datetime | None:
        """When something was fetched last; None: never since it was cloned."""
        (file,) = self._git("rev-parse", "--git-path", "FETCH_HEAD").splitlines()
        try:
            return datetime.fromtimestamp((self.directory / file).stat().st_mtime, UTC)
        except FileNotFoundError:
            return None

    @cached_property
    def _status(self) -> tuple[dict[str, tuple[str, str]], list[str]]:
        """Changed path → its modes in the last commit and now; and paths that are new and not ignored."""
        changed, new = {}, []
        options = ("--porcelain=v2", "--untracked-files=all", "--no-renames", "--ignore-submodules=all", "-z")
        for line in self._listed("status", *options):
            kind, rest = line.split(" ", 1)
            if kind == "?":
                new.append(rest)
            elif kind in _FIELDS:
                words = line.split(" ", _FIELDS[kind] - 1)
                changed[words[-1]] = (words[_HEAD_MODE], words[_WORK_MODE])
        return changed, new

    def _listed(self, *arguments: str) -> list[str]:
        return [entry for entry in self._git(*arguments).split("\0") if entry]

    def _git(self, *arguments: str) -> str:
        done = run_as_person(self.directory, *arguments)
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip()
            raise InputError(f"{self.directory}: git {arguments[0]}: {words}")
        return os.fsdecode(done.stdout)


def work_tree_at(directory: Path) -> WorkTree | None:
    """The work tree whose root a directory is; None where it is no such root."""
    try:
        done = run_as_person(directory, "rev-parse", "--is-inside-work-tree", "--show-prefix")
    except FileNotFoundError:  # no git here
        return None
    return WorkTree(directory) if done.returncode == 0 and done.stdout.split(b"\n")[:2] == [b"true", b""] else None


def run_as_person(directory: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Ask git something with the settings of whoever runs this; nothing is written."""
    command = ["git", "--no-optional-locks", "-C", str(directory), *arguments]
    return subprocess.run(command, env=person_environment(), capture_output=True, check=False)


def _differs(before: str, now: str) -> bool:
    return now not in {before, _ORDINARY, _ABSENT}


def _is_special(path: Path) -> bool:
    mode = path.lstat().st_mode
    return stat.S_ISLNK(mode) or bool(mode & stat.S_IXUSR)
