"""Ends a command with all that it started: when it ends, and when whoever started it does, however that ended.

Linux tells a process of its parent's death and hands it what its children leave behind; elsewhere a command that loses
its starter goes on. Of the standard library alone, so that a process of `python -I -S` has it within milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

SIGNALLED = 128
"""An exit code above it says by which signal a command ended, as a shell's does."""
_SET_DEATH_SIGNAL, _SET_SUBREAPER = 1, 36
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_LIBC = ctypes.CDLL(None, use_errno=True)
_LINUX = sys.platform == "linux"


def attended(command: Sequence[str]) -> list[str]:
    """The command line of a process that starts a command, and ends it with all of it; its exit code is the command's.

    Ask it to end with SIGTERM: killed itself, it ends nothing.
    """
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), *command]  # noqa: PTH100 - pathlib is not worth 5 ms


def attend(become: Callable[[], NoReturn]) -> NoReturn:
    """Start a child that becomes a command, wait for its end, end all that it left behind, exit with its code."""
    parent = os.getppid()
    prctl(_SET_SUBREAPER, 1)
    for number in _ENDING:
        signal.signal(number, lambda *_: _end_all(SIGNALLED + signal.SIGKILL))
    prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:  # it died before we asked to be told
        sys.exit(1)
    child = os.fork()
    if child == 0:
        for number in _ENDING:
            signal.signal(number, signal.SIG_DFL)
        become()
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            _end_all(code if code >= 0 else SIGNALLED - code)


def ended_by_signal(code: int) -> bool:
    """Whether an exit code is that of a command which a signal ended; some programs give 255 for every error."""
    return code - SIGNALLED in signal.valid_signals()


def prctl(option: int, *arguments: object) -> None:
    """Call Linux's prctl; nothing elsewhere.

    Raises:
        OSError: the kernel refuses.
    """
    if not _LINUX:
        return
    padded = [*arguments, 0, 0, 0, 0][:4]
    longs = [ctypes.c_ulong(one) if isinstance(one, int) else one for one in padded]
    if _LIBC.prctl(option, *longs) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl {option}: {os.strerror(error)}")


def descendants(root: int) -> list[int]:
    """Ids of all processes below one, the dead that nobody waited for included."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found, unseen = list[int](), [root]
    while unseen:
        below = children.get(unseen.pop(), [])
        found += below
        unseen += below
    return found


def _end_all(code: int) -> NoReturn:
    """Kill what is left, stopping it first so that nothing is started meanwhile, until nothing is."""
    while found := descendants(os.getpid()):
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in found:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            continue
    os._exit(code)


def _parents() -> Iterator[tuple[int, int]]:
    """Each process of this machine and its parent."""
    if not _LINUX:
        listed = subprocess.run(["/bin/ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=False)
        for line in listed.stdout.splitlines():
            pid, parent = line.split()
            yield int(pid), int(parent)
        return
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib is not worth 5 ms
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - as above
                    yield int(name), int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue


def _become_argument() -> NoReturn:
    try:
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - no shell is the point
    except OSError as error:
        sys.stderr.write(f"{sys.argv[1]} does not start: {error}\n")
    os._exit(127)


if __name__ == "__main__":
    attend(_become_argument)
