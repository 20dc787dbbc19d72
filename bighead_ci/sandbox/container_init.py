"""The first process of a container: starts the command, and ends it with all of it, as no engine does by itself.

A container outlives whoever asked for it. This process reads its standard input, which comes to an end when the client
of the engine does, however that ended; and when the first process of a container ends, the kernel ends the others.
It sees what the command and its children use from within, where process ids and control groups are theirs alone.
Standard library only, see `confine`. What it has to say goes to standard error, which the command does not have.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn, TypedDict

from bighead_ci.process_tree import SIGNALLED, prctl
from bighead_ci.sandbox.confine import Order, become, unpacked

LOOK_SECONDS = 0.1
STARTED, EXITED = "started", "exited"
"""What this process says first and last; in place of the last the name of a limit, if one is reached."""
_SET_DUMPABLE = 4
_LEAST_URGENT = 19
"""Among the processes of the container; what these get together of the machine is its control group's share."""
_CHILD_ENDED = {signal.SIGCHLD}
_GROUPS = "/sys/fs/cgroup"
_OUT_OF_MEMORY = "oom_kill", (f"{_GROUPS}/memory/memory.oom_control", f"{_GROUPS}/memory.events")
_OUT_OF_TASKS = "max", (f"{_GROUPS}/pids/pids.events", f"{_GROUPS}/pids.events")
"""What the kernel counts, and in which file: of control groups version 1, of version 2."""


class ContainerOrder(TypedDict):
    """What a container is for."""

    order: Order
    processes: int
    """Of the command, alive at once."""
    seconds: float
    """When it ends whatever else happens: the engine may be gone, with the client and the end of standard input."""


class _Limit(Exception):  # noqa: N818 - reaching it is no error
    """A limit was reached; its name."""


def main() -> NoReturn:
    """Start the command, wait for its end or a limit, say which, exit with the command's code."""
    given: ContainerOrder = unpacked()
    # Of the same user as the command, but not to be read, traced or interrupted by it.
    prctl(_SET_DUMPABLE, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, _CHILD_ENDED)
    _say(STARTED)
    child = os.fork()
    if child == 0:
        prctl(_SET_DUMPABLE, 1)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _CHILD_ENDED)
        os.dup2(1, 2)
        # Before this process in nothing: else thousands of others would keep it from seeing how many there are.
        os.nice(_LEAST_URGENT)
        become(given["order"])
    code, word = SIGNALLED + signal.SIGKILL, EXITED
    try:
        code = _wait(child, given)
    except _Limit as limit:
        word = str(limit)
    _say(word)
    # The end of this process is that of all others here.
    os._exit(code)


def _say(word: str) -> None:
    os.write(2, f"\n{word}\n".encode())


def _wait(child: int, given: ContainerOrder) -> int:
    """The exit code of the command.

    Raises:
        _Limit: one was reached first.
    """
    deadline = time.monotonic() + given["seconds"]
    code = None
    while code is None:
        signal.sigtimedwait(_CHILD_ENDED, LOOK_SECONDS)
        code = _collect(child)
        if _counted(*_OUT_OF_MEMORY):
            raise _Limit("memory")
        if _counted(*_OUT_OF_TASKS) or _processes() > given["processes"]:
            raise _Limit("processes")
        if _nobody_attends() or time.monotonic() > deadline:
            raise _Limit("seconds")
    return code


def _collect(child: int) -> int | None:
    """Take the dead, whose parents may be gone; the exit code of a child if it is one of them."""
    code = None
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                code = os.waitstatus_to_exitcode(ended[1])
    except ChildProcessError:
        pass
    return SIGNALLED - code if code is not None and code < 0 else code


def _processes() -> int:
    """How many there are beside this one; quick, since beside thousands of others it is seldom let run."""
    return sum(name.isdigit() for name in os.listdir("/proc")) - 1  # noqa: PTH208 - as said


def _counted(what: str, files: Iterable[str]) -> bool:
    """Whether the kernel has counted one of something in this container."""
    for file in files:
        try:
            lines = Path(file).read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        return any(line.split()[0] == what and int(line.split()[1]) > 0 for line in lines)
    return False


def _nobody_attends() -> bool:
    """Whether standard input has come to its end."""
    return bool(select.select([0], [], [], 0)[0]) and os.read(0, 1) == b""
