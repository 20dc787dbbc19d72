"""Runs stages with DVC: content-addressed, shared between checkouts, resumable after a kill.

DVC runs as a process of its own: its lines are the progress, its standard output never mixes with ours, and what it was
doing when it was killed can be started again. All checkouts share one cache, so the same inputs never train twice.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from bighead_ci.delivery.stages.failure import forget_failure, read_failure
from bighead_ci.documents.base import write_atomically
from bighead_ci.documents.record import Timings
from bighead_ci.errors import BigheadError, BugError, InputError, RetryError
from bighead_ci.orchestrators.data import (
    absent,
    check_data,
    is_locked,
    locked_data,
    needed_data,
    stages_that_make,
    unchanged_lock,
)
from bighead_ci.orchestrators.dvc_settings import share_cache
from bighead_ci.planning.dvc_pipeline import PIPELINE
from bighead_ci.ports.progress import Progress
from bighead_ci.process_tree import attended, ended_by_signal
from bighead_ci.processes import ENGINE_VARIABLES, INSTALLER_VARIABLES, THREAD_VARIABLES, kept_environment

_RUNNING = re.compile(r"^Running stage '(?P<stage>[^']+)'")
_REUSED = re.compile(r"^Stage '(?P<stage>[^']+)' (is cached - skipping run|didn't change, skipping)")
_NOISE = re.compile(
    r"^(|> .*|Generating lock file.*|Updating lock file.*|To track the changes.*|To enable auto staging.*|"
    r"\s*git add .*|Use `dvc push`.*|Data and pipelines are up to date\..*|\S+: done in [0-9.]+ s)$"
)
_MEANINGS: tuple[tuple[re.Pattern[str], type[BigheadError], str], ...] = (
    (
        re.compile("No space left|File too large|Disk quota exceeded|disk is full"),
        RetryError,
        "the disk is full; free some space",
    ),
    (re.compile("Unable to acquire lock|is busy, it is being"), RetryError, "another DVC process works here"),
    (re.compile(r"exited with (-\d+|137|143)\b"), RetryError, "a stage was killed (out of memory?); run it again"),
    (re.compile("Permission denied|Read-only|unable to open database"), InputError, "DVC cannot write where it must"),
    (
        re.compile("failed to reproduce .*No such file or directory|missing data 'source'|missing dependenc"),
        InputError,
        "a file that is needed is missing",
    ),
    (re.compile("failed to reproduce|Traceback"), BugError, "a stage broke"),
)
"""What DVC's last lines mean, the first that fits."""
_NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_LEAST_FREE_BYTES = 1024 * 1024
_LAST_LINES = 12

PASSED_ON = (*THREAD_VARIABLES, *INSTALLER_VARIABLES)
"""Variables of this process that DVC and the stages' commands get, beside what every process gets and our own."""
OUR_VARIABLES = ("BIGHEAD_", "UV_", ENGINE_VARIABLES)
"""Beginnings of the names of our settings, of those of the installer of environments, and of a container engine's."""

DATA_COMMAND = "bighead_ci.cli.data_command"
"""Module that runs a command of the repository's own pipeline."""

SOURCES_PIPELINE = "dvc.yaml"
"""The repository's own, which imports what all models share."""


class DvcPipeline:
    """Runs a version's stages in a checkout, and those of the shared sources that it needs, by `dvc repro`.

    Args:
        cache: Directory of the cache that all checkouts share.
        variables: Environment variables that the stages get beside those of this process.
    """

    def __init__(self, cache: Path, variables: Mapping[str, str] | None = None) -> None:
        self.cache = cache
        self.variables = dict(variables or {})

    def run(self, checkout: Path, model_directory: str, progress: Progress) -> Timings:
        """Bring the version's stages up to date in the checkout, on the data that its dvc.lock names.

        Raises:
            InputError: a stage failed on what the user wrote, the data is something else than dvc.lock names, or a
                directory cannot be written.
            RetryError: the disk is full, a lock is held, or a stage was killed.
        """
        pipeline = f"{model_directory}/{PIPELINE}"
        if not (checkout / pipeline).is_file():
            raise InputError(f"{pipeline} is missing; `bighead check --write` writes it")
        with self._locked(checkout):
            made = self._import(checkout, needed_data(checkout, pipeline), progress)
            # Only these: the stages of the repository above them would make other data and write that into dvc.lock.
            ran = self._reproduce(checkout, pipeline, ["--single-item", pipeline], progress)
        return Timings(seconds=made.seconds | ran.seconds, reused=made.reused + ran.reused)

    def import_sources(self, checkout: Path, progress: Progress, needed: Collection[str] | None = None) -> None:
        """Put the sources' Parquet files in place as dvc.lock names them: from the cache, else by their import stage.

        `needed`: their paths; None: all that dvc.lock names.

        Raises:
            InputError: an import failed, the data is something else than dvc.lock names, or a directory cannot be
                written.
            RetryError: the disk is full, a lock is held, or a stage was killed.
        """
        with self._locked(checkout):
            locked = locked_data(checkout)
            if needed is not None and locked.keys() >= {*needed}:
                self._import(checkout, needed, progress)
            elif is_locked(checkout):
                self._import(checkout, locked, progress)
            else:
                self._reproduce_data(checkout, [SOURCES_PIPELINE], progress)
            locked = locked_data(checkout)
            check_data(checkout, {path: digest for path, digest in locked.items() if path in (needed or locked)})

    def _import(self, checkout: Path, wanted: Collection[str], progress: Progress) -> Timings:
        """Put data in place that is not there."""
        missing = absent(checkout, self.cache, wanted, locked_data(checkout))
        if not missing or not (checkout / SOURCES_PIPELINE).is_file():
            return Timings(seconds={}, reused=[])
        return self._reproduce_data(checkout, stages_that_make(checkout, missing) or [SOURCES_PIPELINE], progress)

    def _reproduce_data(self, checkout: Path, targets: list[str], progress: Progress) -> Timings:
        """Run stages of the repository, which make what dvc.lock names and nothing else."""
        with unchanged_lock(checkout):
            return self._reproduce(checkout, SOURCES_PIPELINE, targets, progress)

    def _reproduce(self, checkout: Path, pipeline: str, targets: Sequence[str], progress: Progress) -> Timings:
        watch = _Watch(pipeline, progress)
        shell = {"SHELL": str(_data_shell(checkout))} if pipeline == SOURCES_PIPELINE else {"SHELL": "/bin/sh"}
        with _process(checkout, targets, {**self.variables, **shell}) as process:
            for line in process.stdout or ():
                watch.line(line.rstrip())
            code = process.wait()
        timings = watch.finish()
        if code != 0:
            raise _failure(checkout, code, watch)
        return timings

    @contextmanager
    def _locked(self, checkout: Path) -> Iterator[None]:
        with _storage_errors(self.cache), _only_one(checkout):
            share_cache(checkout, self.cache)
            forget_failure(checkout)
            _clear_dead_locks(checkout / ".dvc" / "tmp" / "rwlock")
            yield


def _data_shell(checkout: Path) -> Path:
    """What DVC starts as a shell for the commands that make data: they run in a sandbox."""
    file = checkout.resolve() / ".bighead" / "data-shell"
    _write_if_changed(file, f'#!/bin/sh\nexec "{sys.executable}" -P -m {DATA_COMMAND} "$@"\n')
    file.chmod(0o700)
    return file


def _write_if_changed(path: Path, text: str) -> None:
    if path.is_file() and path.read_text() == text:
        return
    write_atomically(path, text.encode())


@contextmanager
def _only_one(checkout: Path) -> Iterator[None]:
    """One run a checkout. The lock is the kernel's: a killed holder leaves none."""
    path = checkout / ".bighead" / "orchestrator.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise RetryError(f"{checkout}: stages run in this checkout already") from error
    try:
        yield
    finally:
        lock.release()


def _clear_dead_locks(path: Path) -> None:
    """Remove DVC's list of who reads and writes what, unless a DVC process in it is alive.

    DVC takes a dead process that nobody waited for (in a container), and an unrelated one with the same number, for a
    holder, and refuses a list that a kill cut short.
    """
    try:
        listed = json.loads(path.read_text())
        holders = [info for infos in listed["read"].values() for info in infos] + list(listed["write"].values())
        pids = {int(holder["pid"]) for holder in holders}
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError, AttributeError):
        pids = set()
    if not any(_is_dvc(pid) for pid in pids):
        path.unlink(missing_ok=True)


def _is_dvc(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and any("dvc" in word for word in process.cmdline())
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


@contextmanager
def _storage_errors(cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where, reason = error.filename or cache, error.strerror or str(error)
        if error.errno in _NOT_WRITABLE:
            raise InputError(f"{where}: {reason}; stages need to write there") from error
        more = "; free some space and run it again" if error.errno in _FULL else ""
        raise RetryError(f"{where}: {reason}{more}") from error


@contextmanager
def _process(checkout: Path, targets: Sequence[str], variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """`dvc repro`, ended with everything it started if this block is left early or this process is killed.

    What went on after a kill would change the files of the run that goes on from there.
    """
    # A stage's command is `bighead` or `python`: the ones of this environment. What lies in the checkout is a
    # stranger's: nothing of it is imported here (-P), and no secret of this process gets there.
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    ours = {"PATH": tools, "PYTHONUNBUFFERED": "1", "DVC_NO_ANALYTICS": "1", "COLUMNS": "500"}
    process = subprocess.Popen(
        attended([sys.executable, "-P", "-m", "dvc", "repro", *targets]),
        cwd=checkout,
        env={**kept_environment(*PASSED_ON, starting=OUR_VARIABLES), **ours, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        if process.stdout:
            process.stdout.close()


class _Watch:
    """Reads DVC's lines: which stage runs, what it says, how long it took."""

    def __init__(self, pipeline: str, progress: Progress) -> None:
        self.own = f"{pipeline}:"
        self.progress = progress
        self.seconds: dict[str, float] = {}
        self.reused: list[str] = []
        self.running: str | None = None
        self.since = time.monotonic()
        self.last: deque[str] = deque(maxlen=_LAST_LINES)

    def line(self, line: str) -> None:
        """One line of output."""
        if found := _RUNNING.match(line):
            self._next(self._name(found["stage"]))
            self.progress(f"{self.running} …")
        elif found := _REUSED.match(line):
            name = self._name(found["stage"])
            self._next(None)
            self.seconds.setdefault(name, 0.0)
            if name not in self.reused:
                self.reused.append(name)
            self.progress(f"{name}: reused")
        elif not _NOISE.match(line):
            self.last.append(line)
            if self.running and line.startswith(f"{self.running}: "):
                self.progress(line)

    def finish(self) -> Timings:
        """What was seen."""
        self._next(None)
        return Timings(
            seconds={name: round(seconds, 3) for name, seconds in self.seconds.items()}, reused=list(self.reused)
        )

    def _name(self, stage: str) -> str:
        return stage.removeprefix(self.own) if stage.startswith(self.own) else f"sources/{stage.rsplit(':', 1)[-1]}"

    def _next(self, name: str | None) -> None:
        now = time.monotonic()
        if self.running is not None:
            self.seconds[self.running] = self.seconds.get(self.running, 0.0) + now - self.since
        self.running, self.since = name, now


def _failure(checkout: Path, code: int, watch: _Watch) -> BigheadError:
    """The error behind a failed run: the stage's own words first, then DVC's."""
    own = read_failure(checkout)
    if own is not None:
        return own
    said = "\n".join(watch.last)
    if shutil.disk_usage(checkout).free < _LEAST_FREE_BYTES:
        return RetryError(f"{checkout}: the disk is full; free some space and run it again")
    if ended_by_signal(code):
        return RetryError(f"the stages were killed; run it again\n{said}")
    for signs, kind, meaning in _MEANINGS:
        if signs.search(said):
            return kind(f"{meaning}\n{said}")
    return InputError(f"DVC refuses the pipeline:\n{said}")
