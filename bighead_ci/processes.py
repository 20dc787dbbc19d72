"""Processes that are found again: by pid file with start time, else by a marker on their command line.

What several edges need to start, find and stop what outlives a command.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from bighead_ci.documents.base import Document

SAME_START_SECONDS = 2.0
"""How far two readings of one process's start time may lie apart."""
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""What a process that we start gets of this one's environment: no token or password."""
LOCALE = "C.UTF-8"
"""Of every process that trains or scores: what sorts, folds or prints text does it alike on every machine."""
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OMP_WAIT_POLICY",
)
"""How many threads numerical libraries start: for what computes."""
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
NETWORK_VARIABLES = (
    *_PROXIES,
    *(name.lower() for name in _PROXIES),
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
"""How other machines are reached and trusted: for what may reach them."""
INSTALLER_VARIABLES = (*NETWORK_VARIABLES, "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "NETRC")
"""What installs packages needs beside its own variables."""
ENGINE_VARIABLES = "DOCKER_"
"""How the names of what leads to a container engine begin: `DOCKER_HOST`, `DOCKER_CONTEXT`, `DOCKER_CONFIG`."""


def kept_environment(*more: str, starting: tuple[str, ...] = ()) -> dict[str, str]:
    """This process's environment without what nobody named.

    Args:
        more: Names beside `KEPT_VARIABLES`.
        starting: Beginnings of names.
    """
    names = {*KEPT_VARIABLES, *more}
    return {name: value for name, value in os.environ.items() if name in names or name.startswith(starting)}


_detached: set[int] = set()
"""Children of this process that nobody waits for."""


class PidFile(Document):
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    started: float
    """Seconds since 1970, by the system."""


def interpreter_paths(interpreter: Path) -> list[Path]:
    """What an interpreter reads to start: its environment, and the installation that this was made from."""
    environment = interpreter.parent.parent
    found = [environment, Path(sys.base_prefix), Path(sys.base_exec_prefix)]
    if interpreter == Path(sys.executable):
        found += [Path(sys.prefix), Path(sys.exec_prefix)]
    return sorted({path.absolute() for path in found if path.absolute() != Path("/")})


def start_session(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str], directory: Path
) -> subprocess.Popen[bytes]:
    """Start a process that leads a session of its own, with its output appended to a log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=dict(environment),
            start_new_session=True,
        )


def start_detached(
    command: Sequence[str], *, pid_file: Path, log: Path, environment: Mapping[str, str], directory: Path
) -> int:
    """Start a process that outlives this one, with nothing of this one's environment but what is harmless; its pid."""
    process = start_session(command, log=log, environment={**kept_environment(), **environment}, directory=directory)
    detach(process)
    record(process.pid, pid_file)
    return process.pid


def detach(process: subprocess.Popen[bytes]) -> None:
    """Let a process outlive its object without a warning; a dead one is collected at the next look at any."""
    process.returncode = 0
    _detached.add(process.pid)


def record(pid: int, pid_file: Path) -> None:
    """Write down which process this is."""
    with suppress(psutil.NoSuchProcess):
        identity(pid).write(pid_file)


def identity(pid: int) -> PidFile:
    """Which process this is.

    Raises:
        psutil.NoSuchProcess: there is none.
    """
    return PidFile(pid=pid, started=psutil.Process(pid).create_time())


def recorded_process(pid_file: Path) -> psutil.Process | None:
    """The living process of a pid file, never a later one that has its number."""
    with suppress(OSError, ValueError):
        return identified_process(PidFile.read(pid_file))
    return None


def identified_process(recorded: PidFile) -> psutil.Process | None:
    """That process if it lives, never a later one that has its number."""
    with suppress(psutil.Error):
        process = psutil.Process(recorded.pid)
        if _lives(process) and _is_that(process, recorded):
            return process
    return None


def find_process(pid_file: Path, marker: str) -> psutil.Process | None:
    """The living process of a pid file; without a (true) file, the one that has `marker` as an argument.

    The second way finds a process whose starter was killed before it could write the file.
    """
    process = recorded_process(pid_file)
    if process is not None:
        return process
    for process in psutil.process_iter(["cmdline"]):
        if marker in (process.info["cmdline"] or ()) and _lives(process):
            record(process.pid, pid_file)
            return process
    return None


def stop_process(process: psutil.Process, grace_seconds: float) -> None:
    """Ask it to end; make it end after the grace."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while time.monotonic() < deadline:
        if not _lives(process):
            return
        time.sleep(0.02)
    with suppress(psutil.NoSuchProcess):
        process.kill()
    while _lives(process):
        time.sleep(0.02)


def end_session(pid_file: Path, grace_seconds: float) -> None:
    """End the process of a pid file, and all of the session that it leads or led; a stranger's session is spared."""
    with suppress(OSError, ValueError):
        recorded = PidFile.read(pid_file)
        leader = psutil.Process(recorded.pid) if psutil.pid_exists(recorded.pid) else None
        # While a session has members the system gives its number to nobody else.
        if leader is None or _is_that(leader, recorded):
            if leader is not None:
                stop_process(leader, grace_seconds)
            while members := _members(recorded.pid):
                for member in members:
                    stop_process(member, 0.0)
    pid_file.unlink(missing_ok=True)


def last_words(log: Path, lines: int = 12) -> str:
    """The end of a log."""
    try:
        text = log.read_bytes()[-8000:].decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.strip().splitlines()[-lines:])


def port_holder(port: int) -> str:
    """`pid 4711 (python -m http.server)` of whoever listens on a port, as far as this user may see it."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                command = " ".join(psutil.Process(connection.pid).cmdline())[:120]
                return f"pid {connection.pid} ({command})"
    except psutil.Error:
        return "another process"
    return "another process"


def _lives(process: psutil.Process) -> bool:
    """Whether it runs; dead children of this process are collected on the way."""
    _collect_dead(process.pid)
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _collect_dead(pid: int) -> None:
    """Take the exit code of a dead child, and of all others that nobody waits for: until then each is a zombie.

    All of them, because one that was just killed cannot be collected before its last thread is gone, and may have been
    forgotten by whoever started it until then.
    """
    if sys.platform == "win32":
        return
    for child in {pid, *_detached}:
        try:
            collected, _ = os.waitpid(child, os.WNOHANG)
        except ChildProcessError:  # no child of this process
            collected = child
        if collected:
            _detached.discard(child)


def _is_that(process: psutil.Process, recorded: PidFile) -> bool:
    return bool(abs(process.create_time() - recorded.started) < SAME_START_SECONDS)


def _members(session: int) -> list[psutil.Process]:
    """The living processes of a session."""
    found = []
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):
            if os.getsid(pid) == session and _lives(process := psutil.Process(pid)):
                found.append(process)
    return found
