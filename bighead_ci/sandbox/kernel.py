"""Landlock, seccomp, no new privileges and limits: what a Linux kernel gives to everybody, in a container too.

No namespace stands between: process ids and names of files outside are known, their content is not had.
"""

from __future__ import annotations

import platform
from collections.abc import Callable

from bighead_ci.documents.sandbox import Ended, SandboxKind
from bighead_ci.ports.sandbox import Confined
from bighead_ci.sandbox import landlock
from bighead_ci.sandbox.confine import Paths
from bighead_ci.sandbox.seccomp import kernel_filter, machine_is_known
from bighead_ci.sandbox.supervision import scratch, supervise
from bighead_ci.sandbox.system import DEVICES, MACHINE, PROCESSORS, system_paths


def why_not() -> str:
    """Why this machine has no such sandbox; empty when it has."""
    if platform.system() != "Linux":
        return f"{platform.system()} has no Landlock; it is part of Linux"
    if not machine_is_known():
        return f"no table of the system calls of {platform.machine()}"
    if landlock.abi() == 0:
        return "this kernel has no Landlock (Linux 5.13 or newer, with landlock among its security modules)"
    return ""


class KernelSandbox:
    """Implements `ports.sandbox.Sandbox` by what the kernel offers to a process that wants to be held."""

    kind: SandboxKind = "kernel"

    def run(self, confined: Confined, output: Callable[[str], None]) -> Ended:
        """Run a command; see the port."""
        with scratch() as home:
            reads = [*system_paths(network=confined.network), *PROCESSORS, *MACHINE, *map(str, confined.reads)]
            paths = Paths(reads=reads, writes=[*map(str, confined.writes), str(home)], devices=list(DEVICES))
            return supervise(
                confined.command,
                confined.directory,
                {**confined.variables, "HOME": str(home), "TMPDIR": str(home)},
                confined.limits,
                [*confined.writes, home],
                output,
                landlock=paths,
                seccomp=kernel_filter(network=confined.network, signals=landlock.abi() >= landlock.SIGNALS_SINCE),
                network=confined.network,
            )
