"""Counts as histograms."""

from __future__ import annotations

from collections.abc import Sequence

from bighead_ci.documents.histogram import UNIT_BOUNDS, Histogram


def unit_histogram(counts: Sequence[int]) -> Histogram:
    """Counts in the bins of probabilities, none beyond them."""
    return Histogram(bounds=UNIT_BOUNDS, counts=[*counts, 0])
