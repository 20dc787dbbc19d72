"""A container of a Docker engine on this machine: what bubblewrap shows a command, held by the engine.

The command line client is used, not the Python SDK. As a process of its own it ends with its starter, like every other
confined command, and that ends the container; it knows contexts; and what supervises the other sandboxes does here.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from uuid import uuid4

from bighead_ci.documents.sandbox import Ended, EndReason, Limits, SandboxKind
from bighead_ci.errors import RetryError
from bighead_ci.ports.sandbox import Confined
from bighead_ci.processes import PidFile, identified_process, identity, interpreter_paths
from bighead_ci.sandbox import empty_image, engine_client
from bighead_ci.sandbox.confine import Order, packed
from bighead_ci.sandbox.container_init import EXITED, STARTED, ContainerOrder
from bighead_ci.sandbox.mounts import PRIVATE, mounts
from bighead_ci.sandbox.seccomp import machine_is_known, namespaces_filter
from bighead_ci.sandbox.supervision import PACKAGE, Client, most_tasks, program_of, scratch, supervise

LABEL = "bighead.sandbox"
"""Of our containers: the process that asked for it, as JSON, and in which namespace it has this number."""
_INTERPRETER = Path(sys.executable).resolve()
"""Of the first process: without the engine's own environment, which is none of the command's business."""
_TRIAL = Limits(seconds=30, memory=10**9, processes=8, disk=10**6)
_OWN_BYTES = 32 * 1024 * 1024
"""For the first process, beside what the command may hold."""
_MOST_TASKS = 4_000_000
"""More is no number of tasks to the kernel."""
_GRACE_SECONDS = 60.0
_CLIENT_FAILED = 125
_NO_SUCH_FILE = "bind source path does not exist"
_APART = (
    *("--rm", "--interactive", "--sig-proxy=false", "--pull=never", "--log-driver=none"),
    *(
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--ipc=none",
        "--cgroupns=private",
        "--hostname=sandbox",
    ),
    # Files keep the labels that they have: relabelling them is not ours to do.
    "--security-opt=label=disable",
)
_LIMITS: tuple[EndReason, ...] = ("memory", "processes", "seconds")
"""That are held within the container."""


@cache
def why_not() -> str:
    """Why this machine has no such sandbox; empty when it has: tried once a process, in bounded time."""
    if shutil.which(engine_client.PROGRAM) is None:
        return "there is no docker on PATH"
    if not machine_is_known():
        return f"no table of the system calls of {platform.machine()}"
    try:
        reason = _unfit() or _tried()
        if not reason:
            # Only now: whose processes another machine's engine knows cannot be seen from here.
            remove_left_behind()
    except RetryError as error:
        reason = str(error)
    if _NO_SUCH_FILE in reason:
        return "its engine does not see the files of this machine: it runs on another one, or in a virtual one"
    return reason


def _unfit() -> str:
    """What of the engine speaks against it, before a container is tried."""
    address = engine_client.address()
    if not address.startswith("unix://"):
        return f"its engine is reached by {address}: it does not see the files of this machine"
    lacking = [name for name in ("MemoryLimit", "PidsLimit") if not engine_client.about().get(name)]
    return f"its engine holds no limits here: {', '.join(lacking)}" if lacking else ""


class ContainerSandbox:
    """Implements `ports.sandbox.Sandbox` by an engine that sees this machine's files."""

    kind: SandboxKind = "docker"

    def run(self, confined: Confined, output: Callable[[str], None]) -> Ended:
        """Run a command; see the port."""
        name = f"bighead-sandbox-{uuid4().hex}"
        _make_image()
        with scratch() as home, TemporaryFile() as errors:
            command = [engine_client.PROGRAM, "run", f"--name={name}", *_APART, *_rights(confined.limits)]
            command += [f"--label={LABEL}={owner(os.getpid())}", f"--network={'host' if confined.network else 'none'}"]
            reads = [*confined.reads, PACKAGE, *interpreter_paths(_INTERPRETER)]
            for mount in mounts(reads, confined.writes, home, network=confined.network):
                command += ["--mount", mount]
            command += [empty_image.NAME, *program_of("container_init", _INTERPRETER)]
            over = False
            try:
                ended = supervise(
                    command,
                    Path("/"),
                    engine_client.environment(),
                    confined.limits,
                    [*confined.writes, home],
                    output,
                    client=Client(packed(_order(confined)), errors.fileno()),
                )
                if ended.limit:
                    return ended
                limit = _told(errors, ended.code)
                over = True
            finally:
                if not over:
                    engine_client.remove(name)
            return Ended(code=ended.code, reason=limit) if limit else ended


def _order(confined: Confined) -> ContainerOrder:
    order = Order(
        command=list(confined.command),
        directory=str(confined.directory),
        variables={**confined.variables, "HOME": PRIVATE, "TMPDIR": PRIVATE},
        file_bytes=confined.limits.disk,
        processes=None,
        landlock=None,
        seccomp=namespaces_filter().hex(),
        network=confined.network,
        standard_input=False,
    )
    limits = confined.limits
    return ContainerOrder(order=order, processes=limits.processes, seconds=limits.seconds + _GRACE_SECONDS)


def _rights(limits: Limits) -> list[str]:
    """Whose files it may use, and what the kernel holds it to."""
    memory = limits.memory + _OWN_BYTES
    held = [f"--memory={memory}", f"--memory-swap={memory}", f"--pids-limit={min(most_tasks(limits), _MOST_TASKS)}"]
    about = " ".join(engine_client.about().get("SecurityOptions") or [])
    if "name=rootless" in about:  # root of its namespace is who runs the engine: this user
        return [*held, "--user=0:0"]
    groups = [f"--group-add={group}" for group in os.getgroups()]
    apart = ["--userns=host"] if "name=userns" in about else []
    return [*held, *apart, f"--user={os.getuid()}:{os.getgid()}", *groups]


def _told(errors: IO[bytes], code: int) -> EndReason | None:
    """The limit that the first process of the container says was reached.

    Args:
        errors: What it and the client said.
        code: The client's exit code, which is the container's unless the client has one of its own.

    Raises:
        RetryError: it did not start, or the engine was lost before it had ended.
    """
    errors.seek(0)
    lines = errors.read().decode(errors="replace").splitlines()
    if STARTED not in lines or (EXITED not in lines and code == _CLIENT_FAILED):
        said = " ".join(line.strip() for line in lines if line.strip() not in {"", STARTED})
        raise RetryError(f"docker {'lost the' if STARTED in lines else 'starts no'} container: {said}")
    return next((limit for limit in _LIMITS if limit in lines), None)


def _tried() -> str:
    """Why a container that reads and writes as others do is of no use here; empty when it is of use."""
    with scratch() as place:
        given, left = place / "given", place / "left"
        given.write_text(uuid4().hex, encoding="ascii")
        given.chmod(0o600)
        left.mkdir()
        copy = f"open({str(left / 'copy')!r}, 'x').write(open({str(given)!r}).read())"
        reads = [given, *interpreter_paths(_INTERPRETER)]
        lines: list[str] = []
        ended = ContainerSandbox().run(
            Confined([str(_INTERPRETER), "-I", "-S", "-c", copy], left, _TRIAL, reads=reads, writes=[left]),
            lines.append,
        )
        if ended.limit == "seconds":
            return f"its engine started no container within {_TRIAL.seconds:.0f} seconds"
        found = (left / "copy").read_text(encoding="ascii") if (left / "copy").exists() else ""
        if ended.code or found != given.read_text(encoding="ascii"):
            return f"a container of its engine does not read and write files of this machine: {' '.join(lines[-1:])}"
        return ""


def _make_image() -> None:
    """Make the image, unless it is there."""
    try:
        engine_client.ask("image", "inspect", "--format={{.Id}}", empty_image.NAME)
    except RetryError:
        engine_client.ask("image", "load", "--quiet", given=empty_image.archive())


def remove_left_behind() -> None:
    """Remove containers whose owner is dead: of a client that was killed before it could start what it had made.

    Raises:
        RetryError: the engine does not answer.
    """
    listed = engine_client.ask(
        "ps", "--all", f"--filter=label={LABEL}", f'--format={{{{.ID}}}} {{{{.Label "{LABEL}"}}}}'
    )
    for line in listed.splitlines():
        container, _, label = line.partition(" ")
        with suppress(ValueError):
            namespace, owner = json.loads(label)
            if namespace != _namespace():
                continue  # of somebody whose processes are not seen from here
            if identified_process(PidFile.model_validate(owner)) is None:
                engine_client.remove(container)


def owner(pid: int) -> str:
    """The label of a process's containers."""
    return json.dumps([_namespace(), identity(pid).model_dump()])


def _namespace() -> str:
    return str(Path("/proc/self/ns/pid").readlink())
