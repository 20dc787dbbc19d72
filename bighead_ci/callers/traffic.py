"""Traffic: request bodies sent at a steady rate to an environment's router, and what callers see of the answers."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

import aiohttp
import numpy as np

from bighead_ci.documents.base import Document

VERSION_HEADER = "x-bighead-version"


@dataclass(frozen=True)
class Sample:
    """One answered (or failed) request."""

    at: float
    """`time.monotonic()` when the answer came."""
    version: str
    status: int
    """HTTP status; 0 when there was no answer."""
    milliseconds: float


class TrafficSummary(Document):
    """What a span of traffic saw from outside."""

    requests: int
    failed: int
    """No answer, or a status other than 200."""
    by_version: dict[str, int]
    p50_ms: float
    p95_ms: float
    p99_ms: float

    def share(self, version: str) -> float:
        """Percent of the requests that a version answered."""
        return 100.0 * self.by_version.get(version, 0) / max(1, self.requests)


def summarize(samples: Iterable[Sample]) -> TrafficSummary:
    """Count and measure samples."""
    found = list(samples)
    times = np.array([s.milliseconds for s in found] or [0.0])
    p50, p95, p99 = (round(float(v), 2) for v in np.percentile(times, [50, 95, 99]))
    return TrafficSummary(
        requests=len(found),
        failed=sum(s.status != HTTPStatus.OK for s in found),
        by_version=dict(Counter(s.version for s in found)),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
    )


class Traffic:
    """Sends in a thread of its own until stopped; samples can be read at any time."""

    def __init__(self, url: str, bodies: list[dict[str, Any]], rate: float, concurrency: int = 16) -> None:
        self.url = url
        self.rate = rate
        self.concurrency = concurrency
        self.samples: list[Sample] = []
        self.last_prediction: dict[str, str] = {}
        """Version → id of its latest prediction."""
        self._bodies: Iterator[dict[str, Any]] = itertools.cycle(bodies)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="traffic", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> TrafficSummary:
        """Stop and sum up everything."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(30)
        return summarize(self.samples)

    def since(self, moment: float) -> TrafficSummary:
        """Sum up what was answered at or after a `time.monotonic()` moment."""
        return summarize(s for s in list(self.samples) if s.at >= moment)

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=10)
        connector = aiohttp.TCPConnector(limit=self.concurrency)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            pending: set[asyncio.Task[None]] = set()
            due = time.monotonic()
            while not self._stop.is_set():
                due = max(due + 1.0 / self.rate, time.monotonic() - 1.0)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if len(pending) >= self.concurrency * 4:
                    await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                task = asyncio.create_task(self._send(session, next(self._bodies)))
                pending.add(task)
                task.add_done_callback(pending.discard)
            if pending:
                await asyncio.wait(pending, timeout=12)

    async def _send(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> None:
        started = time.monotonic()
        version, status = "none", 0
        try:
            async with session.post(self.url, json=body) as response:
                answer = await response.json(content_type=None)
                status = response.status
                version = response.headers.get(VERSION_HEADER, "none")
                if status == HTTPStatus.OK:
                    self.last_prediction[version] = answer["prediction_id"]
        except (aiohttp.ClientError, TimeoutError, ValueError):
            pass
        ended = time.monotonic()
        self.samples.append(Sample(ended, version, status, (ended - started) * 1000))
