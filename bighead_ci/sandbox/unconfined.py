"""No sandbox: a clean environment and limits, and nothing else holds the command. For machines that have none."""

from __future__ import annotations

from collections.abc import Callable

from bighead_ci.documents.sandbox import Ended, SandboxKind
from bighead_ci.ports.sandbox import Confined
from bighead_ci.sandbox.supervision import scratch, supervise


class Unconfined:
    """Implements `ports.sandbox.Sandbox` where there is nothing to hold a command with."""

    kind: SandboxKind = "none"

    def run(self, confined: Confined, output: Callable[[str], None]) -> Ended:
        """Run a command; see the port."""
        with scratch() as home:
            return supervise(
                confined.command,
                confined.directory,
                {**confined.variables, "HOME": str(home), "TMPDIR": str(home)},
                confined.limits,
                [*confined.writes, home],
                output,
            )
