"""Starts a confined process by `confine`, reads what it prints, and ends it at its limits."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bighead_ci.documents.sandbox import Ended, EndReason, Limits
from bighead_ci.errors import RetryError
from bighead_ci.process_tree import SIGNALLED, descendants, ended_by_signal
from bighead_ci.sandbox.confine import Order, Paths

LOOK_SECONDS = 0.1
"""Between two looks at what the processes hold."""
_DISK_LOOKS = 5
"""The disk is looked at once in so many looks."""
LONGEST_LINE = 4000
"""Characters; what is longer comes in pieces."""
MOST_OUTPUT = 16 * 1024 * 1024
"""Bytes that are passed on; what a command prints beyond is dropped."""
_PACKAGE = Path(__file__).resolve().parents[1]
_START = (
    "import sys, types; package = types.ModuleType('bighead_ci'); package.__path__ = [sys.argv.pop(1)]; "
    "sys.modules['bighead_ci'] = package; from bighead_ci.sandbox.confine import main; main()"
)
"""The engine's package, and nothing that lies beside it."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for HOME and TMPDIR of one command."""
    with TemporaryDirectory(prefix="bighead-sandbox-", ignore_cleanup_errors=True) as name:
        yield Path(name).resolve()


def supervise(
    command: Sequence[str],
    directory: Path,
    variables: dict[str, str],
    limits: Limits,
    written: Sequence[Path],
    output: Callable[[str], None],
    *,
    landlock: Paths | None = None,
    seccomp: bytes | None = None,
    network: bool = False,
    pass_fds: Sequence[int] = (),
) -> Ended:
    """Run a command behind `confine` to its end.

    Args:
        command: What `confine` becomes.
        directory: Where it works.
        variables: Its environment.
        limits: When it is ended.
        written: Directories whose size counts against `limits.disk`.
        output: Gets its lines.
        landlock: What is left of the file system, if Landlock is to hold it.
        seccomp: A filter, with `landlock` only.
        network: With `landlock`: leave TCP.
        pass_fds: Descriptors that the command gets.

    Raises:
        RetryError: no process can be started.
    """
    order = Order(
        command=list(command),
        directory=str(directory),
        variables=variables,
        file_bytes=limits.disk,
        processes=_most_processes(limits),
        landlock=landlock,
        seccomp=seccomp.hex() if seccomp else None,
        network=network,
    )
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _START, str(_PACKAGE), json.dumps(order)],
            cwd="/",
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=pass_fds,
        )
    except OSError as error:
        raise RetryError(f"no process can be started: {error.strerror}") from error
    reader = threading.Thread(target=_relay, args=(process, output), daemon=True)
    reader.start()
    try:
        reason = _watch(process, limits, written)
    finally:
        _end(process)
        reader.join()
        if process.stdout:
            process.stdout.close()
    code = process.returncode if process.returncode >= 0 else SIGNALLED - process.returncode
    if reason == "exited" and ended_by_signal(code):
        reason = "disk" if code == SIGNALLED + signal.SIGXFSZ else "signalled"
    return Ended(code=code, reason=reason)


def _most_processes(limits: Limits) -> int | None:
    """For RLIMIT_NPROC, which counts all processes and threads of the user; root is not counted."""
    if os.getuid() == 0:
        return None
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    wanted = limits.processes * 8 + 4096
    return wanted if most == resource.RLIM_INFINITY else min(wanted, most)


def _watch(process: subprocess.Popen[bytes], limits: Limits, written: Sequence[Path]) -> EndReason:
    """Wait for the end, or for a limit to be reached."""
    deadline = time.monotonic() + limits.seconds
    looks = 0
    while True:
        try:
            process.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            looks += 1
        else:
            return "disk" if _size(written) > limits.disk else "exited"
        pids = descendants(process.pid)
        if len(pids) > limits.processes:
            return "processes"
        if _memory(pids) > limits.memory:
            return "memory"
        if looks % _DISK_LOOKS == 0 and _size(written) > limits.disk:
            return "disk"
        if time.monotonic() > deadline:
            return "seconds"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Have `confine` end what is left and itself."""
    if process.poll() is None:
        process.terminate()
        process.wait()


def _memory(pids: Sequence[int]) -> int:
    """Bytes that processes hold; what they share is counted once."""
    page, own, shared = resource.getpagesize(), 0, 0
    for pid in pids:
        try:
            resident, of_files = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1:3]
        except (OSError, ValueError):
            continue
        own += int(resident) - int(of_files)
        shared = max(shared, int(of_files))
    return (own + shared) * page


def _size(directories: Sequence[Path]) -> int:
    """Bytes on the disk below directories; what vanishes meanwhile is not there."""
    total, unseen = 0, [str(one) for one in directories]
    while unseen:
        try:
            with os.scandir(unseen.pop()) as entries:
                for entry in entries:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        unseen.append(entry.path)
        except OSError:
            continue
    return total


def _relay(process: subprocess.Popen[bytes], output: Callable[[str], None]) -> None:
    if process.stdout is None:
        return
    passed = 0
    while line := process.stdout.readline(LONGEST_LINE):
        passed += len(line)
        if passed <= MOST_OUTPUT:
            output(line.decode(errors="replace").rstrip("\r\n"))
