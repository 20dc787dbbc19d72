"""Measures what variants did, for canary analysis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bighead_ci.documents.live import CanaryAnalysis, VariantTelemetry

Bins = Sequence[int]
"""Counts of scores in `SCORE_BINS` equal bins over [0, 1]."""


class Telemetry(Protocol):
    """Reads what the router and the processes counted since the traffic was last changed.

    Raises:
        RetryError: the router or a process does not answer.
    """

    def mark(self, environment: str, model: str) -> None:
        """Start a new span: `measure` and `analyse` count from here. Called just before weights change."""

    def measure(self, environment: str, model: str, variants: Sequence[str]) -> dict[str, VariantTelemetry]:
        """What each of the variants (process names) did since the mark; zeros for one that did nothing."""

    def analyse(
        self, environment: str, model: str, variants: tuple[str, str], weight: int, expected: tuple[Bins, Bins]
    ) -> CanaryAnalysis:
        """Compare (stable, candidate) since the mark.

        `weight` is the candidate's by git; `expected` are the score histograms of their evaluations, which tell a
        version that scores differently on purpose from one that sees the world differently.
        """
