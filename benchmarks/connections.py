"""Callers that all ask at once, each over its own connection: none waits long, however many there are.

First as many as a process has places, then four times as many beside them, whose connections are new. The peer in the
same run is one caller alone.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import numpy as np

from benchmarks import outcome
from benchmarks.live import shipped_flights
from bighead_ci.callers.requests import request_bodies
from bighead_ci.ports.progress import silent

PLACES = 64
CONNECTIONS = 256
SECONDS = 10.0


async def _ask(url: str, body: dict[str, Any], callers: int, seconds: float) -> dict[int, list[float]]:
    """Status → milliseconds of each answer, from callers that ask again at once."""
    found: dict[int, list[float]] = {}
    end = time.monotonic() + seconds
    connector = aiohttp.TCPConnector(limit=0)

    async def call(session: aiohttp.ClientSession) -> None:
        while time.monotonic() < end:
            started = time.monotonic()
            async with session.post(url, json=body) as response:
                await response.read()
                found.setdefault(response.status, []).append((time.monotonic() - started) * 1000)

    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(call(session) for _ in range(callers)))
    return found


async def _beside(url: str, body: dict[str, Any]) -> dict[int, list[float]]:
    """`CONNECTIONS` new ones beside `PLACES` that are busy."""
    busy = asyncio.create_task(_ask(url, body, PLACES, SECONDS + 2))
    await asyncio.sleep(2)
    found = await _ask(url, body, CONNECTIONS, SECONDS)
    for status, times in (await busy).items():
        found.setdefault(status, []).extend(times)
    return found


def measure() -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """Ship, then ask."""
    with shipped_flights() as ship:
        url = ship.traffic("v1").url
        body = request_bodies(ship.context, ship.context.main(), "flight_delay", "v1", silent)[0]
        alone = asyncio.run(_ask(url, body, 1, SECONDS))
        crowd = asyncio.run(_beside(url, body))
    longest = max(max(times) for times in crowd.values())
    figures = {"alone": _figures(alone), "crowd": _figures(crowd)}
    return figures, {"longest_wait_s": (round(longest / 1000, 3), 1.0)}


def _figures(found: dict[int, list[float]]) -> dict[str, Any]:
    return {str(status): {"answers": len(times), **_quantiles(times)} for status, times in sorted(found.items())}


def _quantiles(times: list[float]) -> dict[str, float]:
    p50, p95, p99, most = (round(float(value), 2) for value in np.percentile(times, [50, 95, 99, 100]))
    return {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "max_ms": most}


if __name__ == "__main__":
    outcome.run("connections", __doc__ or "", measure)
