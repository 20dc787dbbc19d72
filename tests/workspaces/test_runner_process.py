"""The runner as a process: found by what cannot be mistaken, ended with all that it started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bighead_ci.errors import RetryError
from bighead_ci.processes import PidFile, record, start_session
from bighead_ci.workspaces.layout import Workspace
from bighead_ci.workspaces.runner_process import only_runner, runner_pid, stop_runner
from fakes.waiting import until

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]
STARTS_ANOTHER_GROUP = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], process_group=0)
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(60)
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(forge=tmp_path / "forge.git", state=tmp_path / "state")
    found.jobs.mkdir(parents=True)
    return found


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing, and is ended after the test."""
    with subprocess.Popen(SLEEPS) as process:
        yield process
        process.kill()


def test_a_dead_runners_number_is_nobody_else(workspace: Workspace, sleeper: subprocess.Popen[bytes]) -> None:
    """A runner that was killed leaves its pid file; the number may be a stranger's by now, even another runner's."""
    started = psutil.Process(sleeper.pid).create_time() - 3600
    PidFile(pid=sleeper.pid, started=started).write(workspace.runner / "pid.json")
    assert runner_pid(workspace) is None
    assert not stop_runner(workspace)
    assert sleeper.poll() is None


def test_stopping_ends_the_runner(workspace: Workspace, sleeper: subprocess.Popen[bytes]) -> None:
    """It is told to end, and waited for."""
    record(sleeper.pid, workspace.runner / "pid.json")
    assert runner_pid(workspace) == sleeper.pid
    assert stop_runner(workspace)
    assert not psutil.pid_exists(sleeper.pid)


def test_stopping_ends_what_a_killed_runner_left(workspace: Workspace, tmp_path: Path) -> None:
    """Its commands and what those started, in other process groups too, though nobody is their parent any more."""
    mark = tmp_path / "child"
    job = start_session(
        [sys.executable, "-c", STARTS_ANOTHER_GROUP, str(mark)],
        log=tmp_path / "log",
        environment=dict(os.environ),
        directory=tmp_path,
    )
    record(job.pid, workspace.jobs / "ci-1.json")
    until(lambda: mark.exists() and mark.read_text() != "")
    child = int(mark.read_text())
    job.kill()
    job.wait()
    assert psutil.pid_exists(child)
    stop_runner(workspace)
    until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
    assert list(workspace.jobs.iterdir()) == []


def test_stopping_spares_a_process_that_has_a_dead_jobs_number(workspace: Workspace, tmp_path: Path) -> None:
    """A stranger that leads a session of its own is not what the pid file means."""
    stranger = start_session(SLEEPS, log=tmp_path / "log", environment=dict(os.environ), directory=tmp_path)
    try:
        started = psutil.Process(stranger.pid).create_time() - 3600
        PidFile(pid=stranger.pid, started=started).write(workspace.jobs / "ci-1.json")
        stop_runner(workspace)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_one_runner_watches_a_workspace(workspace: Workspace) -> None:
    """A second one is told who does; once the first is gone, another may."""
    with only_runner(workspace):
        assert runner_pid(workspace) == os.getpid()
        with pytest.raises(RetryError, match=f"pid {os.getpid()}"), only_runner(workspace):
            pass
        assert runner_pid(workspace) == os.getpid()
    assert runner_pid(workspace) is None
    with only_runner(workspace):
        pass
