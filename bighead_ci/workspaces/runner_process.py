"""The runner of a workspace as a process: one at most, found again by its pid file, ended with all that it started."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bighead_ci.errors import RetryError
from bighead_ci.processes import detach, end_session, record, recorded_process, start_session, stop_process
from bighead_ci.workspaces.finding import environment_of
from bighead_ci.workspaces.layout import Workspace

START_SECONDS = 30.0
STOP_SECONDS = 20.0
"""How long the runner may take to end what it started, before it is killed."""
JOB_STOP_SECONDS = 10.0
"""How long a command that it started may take to end."""


def runner_pid(workspace: Workspace) -> int | None:
    """The process id of the runner that watches a workspace, if one does."""
    process = recorded_process(_pid_file(workspace))
    return process.pid if process else None


@contextmanager
def only_runner(workspace: Workspace) -> Iterator[None]:
    """Be the runner of the workspace; what one that was killed left running is ended first.

    Raises:
        RetryError: another one watches it.
    """
    workspace.runner.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workspace.runner / "lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise RetryError(f"another runner watches this workspace (pid {runner_pid(workspace)})") from error
    try:
        end_jobs(workspace)
        record(os.getpid(), _pid_file(workspace))
        yield
    finally:
        _pid_file(workspace).unlink(missing_ok=True)
        lock.release()


def start_runner(workspace: Workspace) -> None:
    """Start the runner in the background and wait until it watches.

    Raises:
        RetryError: it did not come up; names its log.
    """
    log = workspace.runner / "runner.log"
    command = [sys.executable, "-m", "bighead_ci", "runner"]
    process = start_session(command, log=log, environment=environment_of(workspace), directory=workspace.state)
    deadline = time.monotonic() + START_SECONDS
    while runner_pid(workspace) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RetryError(f"the runner did not start; see {log}")
        time.sleep(0.05)
    detach(process)


def stop_runner(workspace: Workspace) -> bool:
    """End the runner and what it started, also what one that was killed left; False when none ran."""
    process = recorded_process(_pid_file(workspace))
    if process is not None:
        stop_process(process, STOP_SECONDS)
    end_jobs(workspace)
    return process is not None


def end_jobs(workspace: Workspace) -> None:
    """End the commands that a runner started and that still run, with all that they started."""
    for pid_file in sorted(workspace.jobs.glob("*.json")):
        end_session(pid_file, JOB_STOP_SECONDS)


def _pid_file(workspace: Workspace) -> Path:
    return workspace.runner / "pid.json"
