"""Requests that fail over all changes of weight of a canary from 10 to 100 percent, under load.

The peer in the same run is steady traffic on the same router without any change: what fails or is slow there is not the
canary's doing.
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks import outcome
from benchmarks.live import shipped_flights

STEADY_SECONDS = 15.0


def measure() -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """Ship, send steady traffic, then play the canary chapter."""
    with shipped_flights() as ship:
        with ship.traffic("v2") as traffic:
            time.sleep(STEADY_SECONDS)
            steady = traffic.stop()
        ship.canary()
        facts = ship.facts
    figures = {
        "canary_requests": facts.canary_requests,
        "canary_failed": facts.canary_failed,
        "canary_p50_ms": facts.canary_p50_ms,
        "canary_p95_ms": facts.canary_p95_ms,
        "weights": {str(seen.weight): {"measured": seen.measured, "requests": seen.requests} for seen in facts.weights},
        "steady_requests": steady.requests,
        "steady_failed": steady.failed,
        "steady_p50_ms": steady.p50_ms,
        "steady_p95_ms": steady.p95_ms,
    }
    return figures, {"failed_requests": (facts.canary_failed, 0)}


if __name__ == "__main__":
    outcome.run("canary", __doc__ or "", measure)
