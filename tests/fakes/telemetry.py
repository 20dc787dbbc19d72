"""Telemetry in memory: it counts what a test says that variants answered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from bighead_ci.documents.histogram import Histogram
from bighead_ci.documents.telemetry import Measurement, VariantCounts
from bighead_ci.errors import RetryError
from bighead_ci.ports.clock import Clock


class MemoryTelemetry:
    """`Telemetry` of one environment without a router; what is answered has the clock's time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answered: list[tuple[datetime, tuple[str, str], VariantCounts]] = []
        self.reachable = True
        """Whether the router answers."""

    def answer(self, model: str, variant: str, counts: VariantCounts) -> None:
        """A variant was asked and answered so much, at this moment."""
        self._answered.append((self._clock.now(), (model, variant), counts))

    def measure(
        self, model: str, variants: Sequence[str], since: datetime, until: datetime | None = None
    ) -> Measurement:
        """Add up what was answered in the span."""
        end = until or self._clock.now()
        if not self.reachable or end < since:
            raise RetryError(f"nothing was sampled of {model} since {since} yet")
        return Measurement(
            since=since,
            until=end,
            variants={
                name: total(
                    counts for at, place, counts in self._answered if place == (model, name) and since <= at <= end
                )
                for name in variants
            },
        )


def total(parts: Iterable[VariantCounts]) -> VariantCounts:
    """The sum of counts."""
    whole = VariantCounts()
    for part in parts:
        whole = VariantCounts(
            requests=whole.requests + part.requests,
            errors=whole.errors + part.errors,
            answers=whole.answers + part.answers,
            seconds=_sum(whole.seconds, part.seconds),
            scores=_sum(whole.scores, part.scores),
            score_sum=whole.score_sum + part.score_sum,
            nulls={n: whole.nulls.get(n, 0) + part.nulls.get(n, 0) for n in (*whole.nulls, *part.nulls)},
        )
    return whole


def _sum(one: Histogram, other: Histogram) -> Histogram:
    if not (one.counts and other.counts):
        return other if other.counts else one
    assert one.bounds == other.bounds
    return Histogram(bounds=one.bounds, counts=[a + b for a, b in zip(one.counts, other.counts, strict=True)])
