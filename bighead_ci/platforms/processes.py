"""Detached processes that are found again: by pid file with start time, else by a marker on their command line."""

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
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""What a detached process gets of this one's environment: no token or password."""


class PidFile(Document):
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    started: float
    """Seconds since 1970, by the system."""


def start_detached(
    command: Sequence[str], *, pid_file: Path, log: Path, environment: Mapping[str, str], directory: Path
) -> int:
    """Start a process in a session of its own, with its output appended to a log; return its pid."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env={**kept, **environment},
            start_new_session=True,
        )
    process.returncode = 0  # it is meant to outlive this object: no warning, and `_reap` waits for it
    _record(process.pid, pid_file)
    return process.pid


def find_process(pid_file: Path, marker: str) -> psutil.Process | None:
    """The living process of a pid file; without a (true) file, the one that has `marker` as an argument.

    The second way finds a process whose starter was killed before it could write the file.
    """
    with suppress(OSError, ValueError, psutil.Error):
        recorded = PidFile.read(pid_file)
        process = psutil.Process(recorded.pid)
        if _lives(process) and abs(process.create_time() - recorded.started) < SAME_START_SECONDS:
            return process
    for process in psutil.process_iter(["cmdline"]):
        if marker in (process.info["cmdline"] or ()) and _lives(process):
            _record(process.pid, pid_file)
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


def _record(pid: int, pid_file: Path) -> None:
    with suppress(psutil.NoSuchProcess):
        PidFile(pid=pid, started=psutil.Process(pid).create_time()).write(pid_file)


def _lives(process: psutil.Process) -> bool:
    """Whether it runs; a dead child of this process is reaped on the way."""
    if sys.platform != "win32":
        with suppress(ChildProcessError, OSError):
            os.waitpid(process.pid, os.WNOHANG)
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
