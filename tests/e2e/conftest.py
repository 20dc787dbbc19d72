"""One run of the demonstration, shared by every test that looks at what it left."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bighead_ci import wiring
from bighead_ci.demo.steps import ShipFacts
from bighead_ci.documents.live import LiveModel
from bighead_ci.documents.release import Variant
from bighead_ci.workspaces.layout import Workspace

SHIP_SECONDS = 1500
"""A machine that runs other things too may be slow; how fast it is belongs to the benchmarks."""


OFFLINE = "BIGHEAD_TEST_OFFLINE"
"""Set by `make test-offline`: the demonstration must run although no other machine can be reached, and none can."""
ANOTHER_MACHINE = ("192.0.2.1", 80)
"""An address that is kept for documentation: with a network there is a way to it, and nobody answers."""


@dataclass(frozen=True)
class Shipped:
    """A workspace after `bighead ship`."""

    directory: Path
    output: str
    facts: ShipFacts

    @property
    def context(self) -> wiring.LocalContext:
        """Ports of the workspace."""
        return wiring.context_of(Workspace.read(self.directory / "state" / "workspace.json"))

    def observed(self, environment: str) -> list[LiveModel]:
        """The models of an environment as its platform sees them."""
        context = self.context
        return context.platform(environment, context.main().desired.environment(environment)).observe()

    def stable(self, environment: str, model: str) -> Variant:
        """The variant that main gives all traffic."""
        release = self.context.main().desired.release(environment, model)
        assert release is not None
        return release.stable

    def bighead(self, *arguments: str, allowed: tuple[int, ...] = (0,), user: str = "grace") -> dict[str, Any]:
        """Run a command in the clone and return what it answers."""
        environment = {**os.environ, "BIGHEAD_STATE": str(self.directory / "state"), "BIGHEAD_USER": user}
        done = subprocess.run(
            [sys.executable, "-m", "bighead_ci", *arguments, "--json"],
            cwd=self.directory / "clone",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode in allowed, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    if os.environ.get(OFFLINE):
        assert is_cut_off(), "another machine can be reached: run `make test-offline`"
    directory = tmp_path_factory.mktemp("ship") / "workspace"
    command = [sys.executable, "-m", "bighead_ci"]
    try:
        done = subprocess.run(
            [*command, "ship", str(directory)], capture_output=True, text=True, check=False, timeout=SHIP_SECONDS
        )
        if done.returncode:
            log = directory / "state" / "runner" / "runner.log"
            tail = log.read_text()[-3000:] if log.exists() else ""
            pytest.fail(f"{done.stdout[-5000:]}\n{done.stderr[-3000:]}\n{tail}")
        yield Shipped(directory, done.stdout, ShipFacts.read(directory / "state" / "ship.json"))
    finally:
        subprocess.run([*command, "stop", str(directory)], check=False, timeout=120)


def is_cut_off() -> bool:
    """Whether this machine has no way to another, for any process and any library."""
    try:
        socket.create_connection(ANOTHER_MACHINE, timeout=5).close()
    except OSError as error:
        return error.errno == errno.ENETUNREACH
    return False
