"""Namespaces by bubblewrap: the command sees no file, process or network but its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from bighead_ci.documents.sandbox import Ended, SandboxKind
from bighead_ci.ports.sandbox import Confined
from bighead_ci.sandbox.seccomp import machine_is_known, namespaces_filter
from bighead_ci.sandbox.supervision import scratch, supervise
from bighead_ci.sandbox.system import PROCESSORS, outermost, system_paths

_NESTED_SINCE = (0, 8)
"""From this version on bubblewrap can forbid further user namespaces."""
_APART = ("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "sandbox")
_PRIVATE = "/tmp"  # noqa: S108 - inside it is the command's own
_TRY_SECONDS = 10.0


@cache
def why_not() -> str:
    """Why this machine has no such sandbox; empty when it has: tried once a process."""
    program = shutil.which("bwrap")
    if program is None:
        return "there is no bwrap on PATH (Debian, Ubuntu, Fedora: the package bubblewrap)"
    if not machine_is_known():
        return "no table of the system calls of this machine"
    command = [program, *_APART, *_nested(), *_system(network=False), "--proc", "/proc", "--dev", "/dev", "true"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TRY_SECONDS, env={})
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bwrap does not start: {error}"
    return f"bwrap may make no namespaces here: {done.stderr.strip()}" if done.returncode else ""


@cache
def version() -> tuple[int, ...]:
    """Of the program that is on PATH."""
    done = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=False)
    return tuple(int(part) for part in re.findall(r"\d+", done.stdout))


class BubblewrapSandbox:
    """Implements `ports.sandbox.Sandbox` by bubblewrap."""

    kind: SandboxKind = "bubblewrap"

    def run(self, confined: Confined, output: Callable[[str], None]) -> Ended:
        """Run a command; see the port."""
        with scratch() as home, _filter_file() as seccomp:
            command = [shutil.which("bwrap") or "bwrap", *_APART, *_nested(), "--seccomp", str(seccomp)]
            command += ["--share-net"] if confined.network else []
            command += [*_system(network=confined.network), "--proc", "/proc", "--dev", "/dev"]
            command += [word for path in PROCESSORS for word in ("--ro-bind-try", path, path)]
            # Both on the disk, where the limit counts them.
            for name, place in (("tmp", _PRIVATE), ("shm", "/dev/shm")):  # noqa: S108 - as above
                (home / name).mkdir()
                command += ["--bind", str(home / name), place]
            command += [word for path in outermost(confined.reads) for word in ("--ro-bind", str(path), str(path))]
            command += [word for path in confined.writes for word in ("--bind", str(path), str(path))]
            command += ["--remount-ro", "/", "--chdir", str(confined.directory), "--", *confined.command]
            return supervise(
                command,
                Path("/"),
                {**confined.variables, "HOME": _PRIVATE, "TMPDIR": _PRIVATE},
                confined.limits,
                [*confined.writes, home],
                output,
                pass_fds=[seccomp],
            )


def _nested() -> list[str]:
    return ["--unshare-user", "--disable-userns"] if version() >= _NESTED_SINCE else ["--unshare-user"]


def _system(*, network: bool) -> list[str]:
    """The system read-only, its links as they are."""
    words: list[str] = []
    for name in system_paths(network=network):
        path = Path(name)
        if path.is_symlink() and path.parent == Path("/"):
            words += ["--symlink", str(path.readlink()), name]
        else:
            words += ["--ro-bind", name, name]
    return words


@contextmanager
def _filter_file() -> Iterator[int]:
    """A descriptor from which bubblewrap reads the seccomp filter."""
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(namespaces_filter())
        yield reading
    finally:
        os.close(reading)
