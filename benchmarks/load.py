"""Requests as a benchmark sends them: steadily, whatever the answers take, and as fast as answers come."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import numpy as np
import psutil

RATE, STEADY_SECONDS = 200.0, 15.0
CONNECTIONS, SATURATED_SECONDS = 8, 10.0
WARM_SECONDS = 3.0
LIST_ROWS = 1000
TIMER_SECONDS = 0.002
"""How late a timer may be by itself; what is later had to wait for others, and its caller sees that."""


@dataclass(frozen=True)
class Target:
    """Something that answers rows."""

    url: str
    bodies: Sequence[bytes]
    pids: Sequence[int]
    """Processes whose memory, with that of their children, is what it takes."""


def measured(target: Target) -> dict[str, float]:
    """Latencies at a steady rate and the throughput at saturation, seen from a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as caller:
        caller.submit(_saturate, target.url, target.bodies, WARM_SECONDS).result()
        steady, failed = caller.submit(_steady, target.url, target.bodies).result()
        answered, lost = caller.submit(_saturate, target.url, target.bodies, SATURATED_SECONDS).result()
    p50, p95, p99 = (round(float(value), 3) for value in np.percentile(steady, [50, 95, 99]))
    return {
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "saturated_rps": round(answered / SATURATED_SECONDS, 1),
        "memory_mb": round(sum(map(_memory, target.pids)) / 2**20, 1),
        "failed": failed + lost,
    }


def beside_lists(target: Target) -> dict[str, float]:
    """Latencies of single rows at a steady rate while one caller sends lists of `LIST_ROWS` rows without a pause."""
    rows = itertools.islice(itertools.cycle(target.bodies), LIST_ROWS)
    body = b'{"rows":[' + b",".join(rows) + b"]}"
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as caller:
        caller.submit(_saturate, target.url, target.bodies, WARM_SECONDS).result()
        lists = caller.submit(_saturate, f"{target.url}/batch", [body], STEADY_SECONDS, 1)
        steady, failed = caller.submit(_steady, target.url, target.bodies).result()
        answered, lost = lists.result()
    p50, p95, p99 = (round(float(value), 3) for value in np.percentile(steady, [50, 95, 99]))
    listed = round(answered * LIST_ROWS / STEADY_SECONDS, 1)
    return {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "listed_rows_a_second": listed, "failed": failed + lost}


def _memory(pid: int) -> float:
    """Proportional set size: what processes share counts once."""
    process = psutil.Process(pid)
    return float(sum(one.memory_full_info().pss for one in (process, *process.children(recursive=True))))


def _steady(url: str, bodies: Sequence[bytes]) -> tuple[list[float], int]:
    """Milliseconds from when each request was due, and how many failed."""
    return asyncio.run(_at_rate(url, bodies))


async def _at_rate(url: str, bodies: Sequence[bytes]) -> tuple[list[float], int]:
    times: list[float] = []
    failed = 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:

        async def ask(body: bytes, due: float) -> None:
            nonlocal failed
            failed += not await _answered(session, url, body)
            times.append((time.perf_counter() - due) * 1000)

        begun, under_way = time.perf_counter(), set()
        for number, body in zip(range(int(RATE * STEADY_SECONDS)), itertools.cycle(bodies), strict=False):
            due = begun + number / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            now = time.perf_counter()
            task = asyncio.create_task(ask(body, due if now - due > TIMER_SECONDS else now))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)
    return times, failed


def _saturate(url: str, bodies: Sequence[bytes], seconds: float, callers: int = CONNECTIONS) -> tuple[int, int]:
    """How many requests were answered, and how many were not, by callers that ask again at once."""
    return asyncio.run(_at_once(url, bodies, seconds, callers))


async def _at_once(url: str, bodies: Sequence[bytes], seconds: float, callers: int) -> tuple[int, int]:
    end = time.monotonic() + seconds
    counts = {True: 0, False: 0}

    async def call(session: aiohttp.ClientSession, mine: Any) -> None:
        while time.monotonic() < end:
            counts[await _answered(session, url, next(mine))] += 1

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(call(session, itertools.cycle(bodies[n:] or bodies)) for n in range(callers)))
    return counts[True], counts[False]


async def _answered(session: aiohttp.ClientSession, url: str, body: bytes) -> bool:
    try:
        async with session.post(url, data=body, headers={"content-type": "application/json"}) as response:
            await response.read()
            return response.status == HTTPStatus.OK
    except aiohttp.ClientError:
        return False
