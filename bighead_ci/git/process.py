"""Runs the git command line on one repository: clean environment, no shell, errors by what the caller can do."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import threading
import time
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from bighead_ci.errors import BugError, InputError, RetryError
from bighead_ci.git_environment import git_environment

MINIMUM_GIT = (2, 38)
"""`git merge-tree --write-tree` merges without a work tree since 2.38."""
_DISK_FULL = ("No space left", "Out of diskspace", "Disk quota exceeded", "File too large", "write error")
"""How git, and what it starts, says that nothing more can be written; `LC_ALL=C` keeps the words."""
STALE_LOCK_SECONDS = 60.0
"""git holds a ref lock for milliseconds; one as old as this was left by a process that was killed."""

_LEAVINGS = re.compile(r"/[^\s']*/(?:fast_import_crash_\d+|tmp_(?:pack|obj|idx)_\w+)")
"""Paths, in git's last words, of files that a command of it began and never ended."""


class DiskFullError(RetryError):
    """Waiting a moment does not help: somebody has to free some space."""


class RefUpdate(NamedTuple):
    """One move of a ref in a transaction; `old` None means that the ref must not exist yet."""

    ref: str
    new: str
    old: str | None


class Git:
    """One repository, bare or not, and a long-lived process that reads its objects."""

    def __init__(self, directory: Path) -> None:
        check_version()
        asked = run_git(["-C", str(directory), "rev-parse", "--absolute-git-dir", "--git-path", "objects"])
        if asked.returncode:
            raise InputError(f"{directory}: not a git repository: {_last_words(asked.stderr)}")
        git_dir, objects = os.fsdecode(asked.stdout).splitlines()
        self.directory = Path(git_dir)
        self.objects_directory = (directory / objects).resolve()
        self.objects = ObjectReader(self._command("cat-file", "--batch-command", "-z"), self.directory)

    def run(
        self, *arguments: str, stdin: bytes = b"", allowed: Sequence[int] = (0,)
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a git command; an exit code that is not allowed becomes the error that tells what to do."""
        done = run_git(self._command(*arguments), self.directory, stdin)
        if done.returncode not in allowed:
            _remove_leavings(self.directory, done.stderr)
            raise error_of(f"git {arguments[0]}", done.stderr)
        return done

    def text(self, *arguments: str) -> str:
        """What a command prints, stripped."""
        return os.fsdecode(self.run(*arguments).stdout).strip()

    def update_refs(self, updates: Sequence[RefUpdate]) -> None:
        """Move refs in one compare-and-swap transaction, in order: after a kill, a prefix of it may be in force.

        Raises:
            RetryError: a ref is no longer at its old value, or is locked.
            InputError: the name is a directory of other refs (`a` beside `a/b`).
        """
        lines = [
            f"update {u.ref}\0{u.new}\0{u.old}\0" if u.old is not None else f"create {u.ref}\0{u.new}\0"
            for u in updates
        ]
        stdin = "".join(lines).encode()
        done = run_git(self._command("update-ref", "--stdin", "-z"), self.directory, stdin)
        if done.returncode and _break_stale_lock(self.directory, done.stderr):
            done = run_git(self._command("update-ref", "--stdin", "-z"), self.directory, stdin)
        if done.returncode:
            raise error_of("git update-ref", done.stderr)

    def _command(self, *arguments: str) -> list[str]:
        return [f"--git-dir={self.directory}", *arguments]


class ObjectReader:
    """`git cat-file --batch-command`: answers in microseconds where a new process takes milliseconds. Thread-safe."""

    def __init__(self, command: list[str], directory: Path) -> None:
        self._command = command
        self._directory = directory
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._finalizer: weakref.finalize[[subprocess.Popen[bytes]], ObjectReader] | None = None

    def identify(self, name: str) -> tuple[str, str] | None:
        """(id, type) of what a revision or `commit:path` names; None if there is no such thing."""
        answer = self._ask(f"info {name}", body=False)
        return None if answer is None else (answer[0], answer[1])

    def read(self, name: str, kind: str = "blob") -> bytes | None:
        """Bytes of the object; None if there is none of that kind."""
        answer = self._ask(f"contents {name}", body=True)
        return None if answer is None or answer[1] != kind else answer[2]

    def read_blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Contents by id, by a process that takes all questions at once; ids that name no blob are left out."""
        asked = list(dict.fromkeys(ids))
        command = [*self._command[: self._command.index("cat-file")], "cat-file", "--batch"]
        done = run_git(command, self._directory, "".join(f"{one}\n" for one in asked).encode())
        if done.returncode:
            raise error_of("git cat-file", done.stderr)
        found, output, position = {}, done.stdout, 0
        while position < len(output):
            end = output.index(b"\n", position)
            words = output[position:end].split()
            position = end + 1
            if len(words) == 3:  # noqa: PLR2004 - id, kind, size; what is missing has two
                size = int(words[2])
                if words[1] == b"blob":
                    found[words[0].decode()] = output[position : position + size]
                position += size + 1
        return found

    def close(self) -> None:
        """End the process; the next question starts another."""
        with self._lock:
            self._stop()

    def _ask(self, question: str, *, body: bool) -> tuple[str, str, bytes] | None:
        try:
            encoded = os.fsencode(question)
        except UnicodeEncodeError:
            return None
        if b"\0" in encoded or b"\n" in encoded:
            return None
        with self._lock:
            try:
                return self._exchange(self._started(), encoded + b"\0", body)
            except OSError as error:
                self._stop()
                raise RetryError(f"{self._directory}: git cat-file: {error}") from error
            except BaseException:
                # Question and answer may be out of step now; the next question gets a new process.
                self._stop()
                raise

    def _exchange(self, process: subprocess.Popen[bytes], question: bytes, body: bool) -> tuple[str, str, bytes] | None:
        if process.stdin is None or process.stdout is None:
            raise BugError("git cat-file was started without pipes")
        process.stdin.write(question)
        process.stdin.flush()
        header = process.stdout.readline()
        if not header.endswith(b"\n"):
            raise RetryError(f"{self._directory}: git cat-file ended unexpectedly")
        words = os.fsdecode(header).split()
        if words[-1] in {"missing", "ambiguous"}:
            return None
        content = process.stdout.read(int(words[2]) + 1)[:-1] if body else b""
        return words[0], words[1], content

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._stop()
            self._process = subprocess.Popen(
                ["git", *self._command],
                cwd=self._directory,
                env=git_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self._finalizer = weakref.finalize(self, _end, self._process)
        return self._process

    def _stop(self) -> None:
        if self._finalizer is not None:
            self._finalizer()
        self._process = self._finalizer = None


def error_of(what: str, stderr: bytes) -> InputError | RetryError | BugError:
    """The error that a failed command's own words ask for."""
    words = _last_words(stderr)
    if any(sign in words for sign in _DISK_FULL):
        return DiskFullError(f"{what}: the disk is full; free some space and run it again ({words.splitlines()[0]})")
    blocked = re.search(r"'refs/heads/(?P<there>\S+)' exists; cannot create 'refs/heads/(?P<wanted>\S+)'", words)
    if blocked:
        return InputError(
            f"the branch {blocked['there']!r} is in the way of {blocked['wanted']!r}: git keeps branches like files in "
            f"directories; rename it, or delete it with `git push origin --delete {blocked['there']}`"
        )
    if "exists; cannot create" in words or "dubious ownership" in words:
        return InputError(f"{what}: {words}")
    retry = ("cannot lock ref", "Unable to create", "Resource temporarily", "reference already exists")
    if any(sign in words for sign in retry):
        return RetryError(f"{what}: {words}")
    return BugError(f"{what} failed: {words}")


@functools.cache
def check_version() -> None:
    """Refuse a git that is missing or too old, once a process.

    Raises:
        InputError: with what is installed and what is needed.
    """
    needed = ".".join(map(str, MINIMUM_GIT))
    try:
        shown = os.fsdecode(run_git(["version"]).stdout)
    except FileNotFoundError as error:
        raise InputError(f"git is not installed; version {needed} or newer is needed") from error
    found = re.search(r"(\d+)\.(\d+)", shown)
    if found is None or (int(found[1]), int(found[2])) < MINIMUM_GIT:
        raise InputError(f"{shown.strip() or 'unknown git'} is too old; version {needed} or newer is needed")


def run_git(
    command: Sequence[str], directory: Path | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run `git` with these words in the clean environment, whatever its exit code."""
    return subprocess.run(
        ["git", *command], cwd=directory, env=git_environment(), input=stdin, capture_output=True, check=False
    )


def _last_words(stderr: bytes) -> str:
    return stderr.decode(errors="replace").strip().removeprefix("fatal: ")


def _remove_leavings(directory: Path, stderr: bytes) -> None:
    """Remove what a command that failed half-way names as its own: a crash report, an object or pack that it began."""
    for found in _LEAVINGS.finditer(os.fsdecode(stderr)):
        path = Path(found[0])
        if path.resolve().is_relative_to(directory.resolve()):
            path.unlink(missing_ok=True)


def _break_stale_lock(directory: Path, stderr: bytes) -> bool:
    """Remove the ref lock that a killed process left, if that is what is in the way; whether to try again."""
    found = re.search(r"Unable to create '(.+?\.lock)': File exists", os.fsdecode(stderr))
    if found is None or not Path(found[1]).resolve().is_relative_to(directory.resolve()):
        return False
    return _remove_if_stale(directory, Path(found[1]))


def remove_stale_locks(directory: Path) -> None:
    """Remove locks of branches that killed processes left: whoever pushes next would be refused."""
    for lock in (directory / "packed-refs.lock", *(directory / "refs" / "heads").rglob("*.lock")):
        if lock.exists():
            _remove_if_stale(directory, lock)


def _remove_if_stale(directory: Path, lock: Path) -> bool:
    """Remove a lock that nobody holds any more; whether the way is free.

    One process at a time: a second one must not remove the lock that the first has just taken for itself.
    """
    with FileLock(directory / "bighead-stale.lock"):
        try:
            age = time.time() - lock.stat().st_mtime
        except FileNotFoundError:
            return True
        if age < STALE_LOCK_SECONDS:
            return False
        lock.unlink(missing_ok=True)
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                continue
    process.kill()
    process.wait()
