"""A live workspace for benchmarks: the flight model v1 and v2 shipped by pull requests, on real processes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from bighead_ci import wiring
from bighead_ci.cli.output import say
from bighead_ci.delivery.materialize import materialize
from bighead_ci.demo.seed import MOMENT, write_seed
from bighead_ci.demo.ship import Ship
from bighead_ci.workspaces.lifecycle import end_workspace
from bighead_ci.workspaces.runner_process import start_runner

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def shipped_flights() -> Iterator[Ship]:
    """v2 serves in staging and v1 in prod, next to each other as before a canary; everything is stopped afterwards."""
    with tempfile.TemporaryDirectory(prefix="bighead-bench-") as name:
        directory = Path(name) / "workspace"
        workspace = wiring.create_workspace(directory, write_seed(ROOT, Path(name) / "seed"), MOMENT)
        context = wiring.context_of(workspace)
        try:
            start_runner(workspace)
            materialize(context, None, say)
            ship = Ship(context, directory / "clone", ROOT)
            ship.narrator.console = Console(stderr=True, highlight=False, soft_wrap=True)  # the answer is on stdout
            ship.ship_flights()
            yield ship
        finally:
            end_workspace(workspace, context.stop_environment)
