"""Measures what variants did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bighead_ci.documents.telemetry import Measurement


class Telemetry(Protocol):
    """Reads what the router and the processes of one environment counted. It compares nothing and judges nothing."""

    def measure(
        self, model: str, variants: Sequence[str], since: datetime, until: datetime | None = None
    ) -> Measurement:
        """What each of the variants (names of processes) did between two moments; zeros for one that did nothing.

        Counters are sampled, so the answer says which span it covers: from the first sample not before `since` to the
        last one not after `until`. Nothing from outside the span is counted.

        Args:
            model: Whose variants they are.
            variants: Names of processes.
            since: Usually since when the present weights are in force, as the platform observes it.
            until: None: up to now.

        Raises:
            RetryError: nothing was sampled in the span yet, or the router does not answer.
        """
