"""A command ends with all that it started, and with whoever started it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bighead_ci.process_tree import SIGNALLED, attended, ended_by_signal

STARTS_ANOTHER = (
    "import subprocess, sys, time; "
    "child = subprocess.Popen(['sleep', '600'], start_new_session=True, stdout=subprocess.DEVNULL); "
    "print(child.pid, flush=True); {then}"
)
linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems tell no process of its parent's death")


def starter(then: str) -> list[str]:
    """A command that starts a process in a session of its own, and says its number."""
    return attended([sys.executable, "-c", STARTS_ANOTHER.format(then=then)])


def ends(pid: int, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_the_exit_code_is_the_commands() -> None:
    """Its own, and 128 + N where signal N ended it."""
    assert subprocess.run(attended(["sh", "-c", "exit 7"]), check=False).returncode == 7
    assert subprocess.run(attended(["sh", "-c", "kill -9 $$"]), check=False).returncode == SIGNALLED + 9


def test_255_is_an_exit_code_and_no_signal() -> None:
    """DVC gives it for every error."""
    codes = {code: ended_by_signal(code) for code in (0, 1, 127, SIGNALLED, SIGNALLED + 9, SIGNALLED + 15, 255)}
    assert codes == {0: False, 1: False, 127: False, 128: False, 137: True, 143: True, 255: False}


def test_a_command_that_cannot_be_started_is_named() -> None:
    """Exit code 127, as a shell's."""
    done = subprocess.run(attended(["no-such-command"]), check=False, capture_output=True, text=True)
    assert (done.returncode, "no-such-command does not start" in done.stderr) == (127, True)


@linux
@pytest.mark.parametrize("then", ["pass", "sys.exit(3)", "import os; os.kill(os.getpid(), 9)"])
def test_what_a_command_leaves_behind_ends_with_it(then: str) -> None:
    """However it ended, and whatever session its child leads."""
    done = subprocess.run(starter(then), check=False, stdout=subprocess.PIPE, text=True, timeout=30)
    assert not psutil.pid_exists(int(done.stdout))


@linux
@pytest.mark.parametrize("end", [psutil.Process.kill, psutil.Process.terminate])
def test_a_command_ends_when_its_starter_is_killed(end: Callable[[psutil.Process], None], tmp_path: Path) -> None:
    """Also by SIGKILL, which nobody can handle; with everything that the command started."""
    numbers = tmp_path / "numbers"
    code = f"import subprocess; subprocess.run({starter('time.sleep(600)')!r}, stdout=open({str(numbers)!r}, 'w'))"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        while not numbers.is_file() or not numbers.read_text().endswith("\n"):
            time.sleep(0.02)
        below = psutil.Process(process.pid).children(recursive=True)
        assert len(below) == 3
        end(psutil.Process(process.pid))
    assert all(ends(one.pid) for one in below)


@linux
def test_asked_to_end_it_ends_what_it_started() -> None:
    """SIGTERM to it, as to a command of a terminal."""
    with subprocess.Popen(starter("time.sleep(600)"), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.terminate()
        assert process.wait() == SIGNALLED + 9
    assert not psutil.pid_exists(child)
