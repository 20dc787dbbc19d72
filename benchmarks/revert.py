"""Seconds from the merge of a revert to all traffic on the old version, as callers see it.

Repeated: the promotion of v2 to staging is reverted with `git revert` and pushed; then the revert is reverted, which is
no way back and must start v2's process again, because main had not named it: that is measured beside it. The time
runs from the moment the push returned to the last answer that any caller got from the version that was taken back. The
peer in the same run is the floor: rewriting the router's weights alone, without git and without the reconciler. Twice
more, the process of prod is killed just before, so that the reconciler is bringing a process up when the revert comes.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from typing import Any

from benchmarks import outcome
from benchmarks.live import shipped_flights
from bighead_ci.delivery.desired import desired_models
from bighead_ci.demo.ship import Ship
from bighead_ci.errors import BugError

REPEATS = 3
LONGEST_SECONDS = 30.0


def reverted(ship: Ship, wanted: str) -> tuple[float, int]:
    """One revert under traffic: (seconds, failed requests)."""
    with ship.traffic("v2", "staging") as traffic:
        time.sleep(1.0)
        pushed = ship.revert_newest("staging")
        deadline = pushed + LONGEST_SECONDS
        while time.monotonic() < deadline and ship.live_weight("staging", wanted) != 100:
            time.sleep(0.02)
        time.sleep(1.0)
        summary = traffic.stop()
    others = [s.at for s in traffic.samples if s.version != wanted and s.at >= pushed]
    return (max(others) - pushed if others else 0.0), summary.failed


def back_and_forth(ship: Ship, times: int) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
    """So many reverts, and the revert of each: (seconds, failed requests) of both kinds."""
    pairs = [(reverted(ship, "v1"), reverted(ship, "v2")) for _ in range(times)]
    return [back for back, _ in pairs], [forth for _, forth in pairs]


def _reverted_while_starting(ship: Ship, wanted: str) -> tuple[float, int]:
    """The same while a killed process of prod comes up again: (seconds, failed requests)."""
    (stable,) = [v for m in ship.observed("prod") for v in m.variants if v.weight]
    if stable.pid is None:
        raise BugError(f"{stable.name} does not run")
    os.kill(stable.pid, signal.SIGKILL)
    return reverted(ship, wanted)


def _route_only(ship: Ship) -> float:
    """Weights at the router alone."""
    context = ship.context
    desired = context.main().desired
    model = next(m for m in desired_models(desired) if (m.environment, m.model) == ("staging", "flight_delay"))
    platform = context.platform("staging", desired.environment("staging"))
    started = time.perf_counter()
    platform.route(model)
    return time.perf_counter() - started


def measure() -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """Revert and revert back, several times."""
    with shipped_flights() as ship:
        rows, again = back_and_forth(ship, REPEATS)
        starting = [_reverted_while_starting(ship, "v1")]
        floor = _route_only(ship)
    seconds = [round(s, 3) for s, _ in rows]
    figures = {
        "revert_seconds": seconds,
        "revert_median_seconds": statistics.median(seconds),
        "revert_worst_seconds": max(seconds),
        "revert_while_starting_seconds": [round(s, 3) for s, _ in starting],
        "revert_of_a_revert_seconds": [round(s, 3) for s, _ in again],
        "failed_requests": sum(failed for _, failed in rows + again + starting),
        "router_alone_seconds": round(floor, 4),
    }
    return figures, {"revert_seconds": (max(seconds + [s for s, _ in starting]), 1.0)}


if __name__ == "__main__":
    outcome.run("revert", __doc__ or "", measure)
