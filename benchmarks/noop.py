"""Seconds of a pull request's checks when nothing must be retrained, as a process from start to posted report.

Two cases: the same head checked again, and a new commit that changes only the model card. The peer in the same run is
`dvc repro` over the same, unchanged stages: what a pipeline tool alone takes to find out that there is nothing to do.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

from benchmarks import outcome
from benchmarks.live import shipped_flights
from bighead_ci.demo.ship import WORSE, Ship
from bighead_ci.orchestrators.dvc import DvcPipeline
from bighead_ci.ports.progress import silent
from bighead_ci.workspaces.finding import environment_of
from bighead_ci.workspaces.runner_process import stop_runner

REPEATS = 3


def _check_seconds(ship: Ship, number: int) -> float:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "bighead_ci", "ci", str(number), "--json"],
        env=environment_of(ship.context.workspace),
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - started


def _dvc_seconds(ship: Ship) -> float:
    context = ship.context
    checkout = context.workspace.checkouts / "bench"
    context.repository.checkout("main", checkout)
    pipeline = DvcPipeline(context.workspace.dvc_cache)
    pipeline.run(checkout, "models/flight_delay/v2", silent)
    started = time.perf_counter()
    pipeline.run(checkout, "models/flight_delay/v2", silent)
    return time.perf_counter() - started


def measure() -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """Ship, then check a pull request that copies a version that has a record, again and again."""
    with shipped_flights() as ship:
        number = ship.open_edited("flight-delay-v3-worse", WORSE, "flight_delay v3: fewer trees", "ada")
        ship.await_check(number)
        stop_runner(ship.context.workspace)
        same = [_check_seconds(ship, number) for _ in range(REPEATS)]
        card = ship.open_card_change()
        again = [_check_seconds(ship, card) for _ in range(REPEATS)]
        dvc = _dvc_seconds(ship)
    figures = {
        "card_changed_seconds": round(statistics.median(again), 2),
        "same_head_seconds": round(statistics.median(same), 2),
        "dvc_repro_nothing_to_do_seconds": round(dvc, 2),
    }
    return figures, {"noop_seconds": (max(*again, *same), 5.0)}


if __name__ == "__main__":
    outcome.run("noop", __doc__ or "", measure)
