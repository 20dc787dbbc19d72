"""Starts a confined process by `confine`, reads what it prints, and ends it at its limits."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bighead_ci.documents.sandbox import Ended, EndReason, Limits
from bighead_ci.errors import RetryError
from bighead_ci.process_tree import SIGNALLED, descendants, ended_by_signal
from bighead_ci.sandbox.confine import Order, Paths, packed

LOOK_SECONDS = 0.1
"""Between two looks at what the processes hold."""
_DISK_LOOKS = 5
"""The disk is looked at once in so many looks."""
LONGEST_LINE = 4000
"""Characters; what is longer comes in pieces."""
MOST_OUTPUT = 16 * 1024 * 1024
"""Bytes that are passed on; what a command prints beyond is dropped."""
PACKAGE = Path(__file__).resolve().parents[1]
"""The engine's."""
_START = (
    "import sys, types; package = types.ModuleType('bighead_ci'); package.__path__ = [sys.argv.pop(1)]; "
    "sys.modules['bighead_ci'] = package; from bighead_ci.sandbox.{} import main; main()"
)
"""The engine's package, and nothing that lies beside it."""


@dataclass(frozen=True)
class Client:
    """Of a command that only asks another process to hold what is to be held: what it is told, and where it complains.

    Its own processes and memory are its own; whoever holds the command counts there.
    """

    standard_input: bytes
    """It comes to an end with the command, or with this process."""
    errors: int
    """A descriptor; what the client prints there is not the command's output."""


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
    client: Client | None = None,
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
        client: The command is one.

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
        standard_input=client is not None,
    )
    try:
        process = subprocess.Popen(
            program_of("confine", Path(sys.executable)),
            cwd="/",
            env={},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=client.errors if client else subprocess.STDOUT,
            start_new_session=True,
            pass_fds=pass_fds,
        )
    except OSError as error:
        raise RetryError(f"no process can be started: {error.strerror}") from error
    reader = threading.Thread(target=_relay, args=(process, output), daemon=True)
    reader.start()
    try:
        _tell(process, packed(order) + (client.standard_input if client else b""))
        reason = _watch(process, limits, written, counted=client is None)
    finally:
        _end(process)
        reader.join()
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):  # of words that nobody read
                if pipe:
                    pipe.close()
    code = process.returncode if process.returncode >= 0 else SIGNALLED - process.returncode
    if reason == "exited" and ended_by_signal(code):
        reason = "disk" if code == SIGNALLED + signal.SIGXFSZ else "signalled"
    return Ended(code=code, reason=reason)


def program_of(module: str, interpreter: Path) -> list[str]:
    """The command line that runs `main` of a module of this package, with the standard library and the engine alone."""
    return [str(interpreter), "-I", "-S", "-c", _START.format(module), str(PACKAGE)]


def most_tasks(limits: Limits) -> int:
    """At how many processes and threads the system shall refuse more: beyond what anybody needs who keeps the limit."""
    return limits.processes * 8 + 4096


def _most_processes(limits: Limits) -> int | None:
    """For RLIMIT_NPROC, which counts all processes and threads of the user; root is not counted."""
    if os.getuid() == 0:
        return None
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    wanted = most_tasks(limits)
    return wanted if most == resource.RLIM_INFINITY else min(wanted, most)


def _tell(process: subprocess.Popen[bytes], content: bytes) -> None:
    """Write to a process's standard input; one that has ended already is told nothing."""
    if process.stdin is None:
        return
    with suppress(BrokenPipeError):
        process.stdin.write(content)
        process.stdin.flush()


def _watch(process: subprocess.Popen[bytes], limits: Limits, written: Sequence[Path], *, counted: bool) -> EndReason:
    """Wait for the end, or for a limit to be reached.

    Args:
        process: Which `confine` is.
        limits: Of time and disk, and if they are counted of processes and memory.
        written: Whose size counts.
        counted: Whether the processes below this one are those that are held.
    """
    deadline = time.monotonic() + limits.seconds
    looks = 0
    while True:
        try:
            process.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            looks += 1
        else:
            return "disk" if _size(written) > limits.disk else "exited"
        pids = descendants(process.pid) if counted else []
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
