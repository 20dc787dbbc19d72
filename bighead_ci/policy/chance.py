"""What small samples can say. Pure."""

from __future__ import annotations

import math

Z = 2.58
"""Normal quantile of the bounds, one-sided 99.5 %: a canary is looked at again and again while its sample grows."""


def least_rise(candidate: tuple[int, int], stable: tuple[int, int]) -> float:
    """The least by which a ratio can have risen, beyond chance, from (count, of) pairs; never below 0.

    The lower bound of Newcombe's hybrid score interval for a difference of proportions (Statistics in Medicine, 1998,
    method 10). Without a stable sample the rise is over zero.

    Returns:
        0 without a candidate's sample.
    """
    if candidate[1] <= 0:
        return 0.0
    low, ratio, _ = _wilson(*candidate)
    _, before, high = _wilson(*stable) if stable[1] > 0 else (0.0, 0.0, 0.0)
    return max(0.0, ratio - before - math.hypot(ratio - low, high - before))


def least_share(share: float, of: int) -> float:
    """Which quantile of a sample is certainly at or below a quantile of what it was drawn from.

    A quantile is an order statistic: the sample's quantile at the lower bound of Wilson's interval around `share` is a
    lower bound of the population's at `share` (Hahn and Meeker, "Statistical Intervals", 1991, section 5.2).

    Args:
        share: The population's quantile, 0.95 for p95.
        of: Size of the sample.

    Returns:
        A share; 0 without a sample.
    """
    return _wilson(share * of, of)[0] if of > 0 else 0.0


def _wilson(count: float, of: int) -> tuple[float, float, float]:
    """(low, ratio, high) of Wilson's score interval."""
    ratio = min(1.0, count / of)
    centre = (ratio + Z * Z / (2 * of)) / (1 + Z * Z / of)
    half = Z / (1 + Z * Z / of) * math.sqrt(ratio * (1 - ratio) / of + Z * Z / (4 * of * of))
    return max(0.0, centre - half), ratio, min(1.0, centre + half)
