"""Figures read from histograms. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

CHANCE = 3.0
"""Standard deviations that chance is allowed."""


def quantile(buckets: Sequence[tuple[float, float]], share: float) -> float:
    """A quantile of (upper bound, count) buckets in rising order, interpolated inside its bucket; 0 without counts.

    What lies above the last finite bound counts as that bound.
    """
    total = sum(count for _, count in buckets)
    if total <= 0:
        return 0.0
    rank, below, lower = share * total, 0.0, 0.0
    for bound, count in buckets:
        if math.isinf(bound):
            return lower
        if count > 0 and below + count >= rank:
            return lower + (bound - lower) * (rank - below) / count
        below += count
        lower = bound
    return lower


def mean(total: float, count: float) -> float:
    """The mean; 0 without counts."""
    return total / count if count > 0 else 0.0


def population_stability_index(reference: Sequence[int], current: Sequence[int], *, sample: int | None = None) -> float:
    """How far two histograms over the same bins lie apart beyond chance: 0 maybe the same, above 0.2 plainly different.

    Two samples of one distribution differ by chance: the index over (1/n + 1/m) is then distributed like chi-squared
    with bins - 1 degrees of freedom (Yurdakul, "Statistical properties of population stability index", 2018). Its mean
    and `CHANCE` standard deviations are taken off, because a canary is looked at again and again, and with fifty
    requests first. Half a count a bin keeps empty bins finite.

    Args:
        reference: Counts by bin.
        current: Counts by the same bins.
        sample: How many the current ones count as, in their proportions; None: as many as they are. Indices that are
            compared with each other count the same, or that of the larger sample is larger by that alone: chance takes
            less off it, and its empty bins weigh more.

    Returns:
        0 if either is empty.
    """
    n, counted = sum(reference), sum(current)
    m = counted if sample is None else sample
    if n <= 0 or counted <= 0 or m <= 0:
        return 0.0
    pairs = [(a, b) for a, b in zip(reference, current, strict=True) if a or b]
    bins = len(pairs)
    index = 0.0
    for a, b in pairs:
        p, q = (a + 0.5) / (n + 0.5 * bins), (b * m / counted + 0.5) / (m + 0.5 * bins)
        index += (p - q) * math.log(p / q)
    chance = (bins - 1) + CHANCE * math.sqrt(2 * (bins - 1))
    return max(0.0, index - chance * (1 / n + 1 / m))
