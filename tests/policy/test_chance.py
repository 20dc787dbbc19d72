"""What small samples can say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.policy.chance import least_rise


@pytest.mark.parametrize(
    ("candidate", "stable", "least", "most"),
    [
        ((0, 0), (0, 100), 0.0, 0.0),
        ((1, 50), (0, 450), 0.0, 0.0),
        ((5, 50), (0, 450), 0.01, 0.1),
        ((50, 50), (0, 450), 0.8, 1.0),
        ((50, 50), (0, 0), 0.8, 1.0),
        ((20, 2000), (20, 18_000), 0.0, 0.01),
        ((100, 2000), (20, 18_000), 0.03, 0.05),
    ],
)
def test_a_rise_is_what_chance_cannot_explain(
    candidate: tuple[int, int], stable: tuple[int, int], least: float, most: float
) -> None:
    """One error among fifty says nothing; five do; none of it needs a stable sample."""
    assert least <= least_rise(candidate, stable) <= most


@given(st.integers(0, 500), st.integers(1, 500), st.integers(0, 500), st.integers(0, 500))
def test_a_rise_never_exceeds_what_was_seen(count: int, of: int, before: int, before_of: int) -> None:
    """The bound lies between 0 and the difference of the observed ratios."""
    candidate, stable = (min(count, of), of), (min(before, before_of), before_of)
    seen = candidate[0] / of - (stable[0] / before_of if before_of else 0.0)
    assert 0.0 <= least_rise(candidate, stable) <= max(0.0, seen) + 1e-12


def test_the_same_ratio_is_practically_never_a_rise() -> None:
    """A canary looked at fourteen times, with half a percent of errors on both sides, stays under one point."""
    random = np.random.default_rng(7)
    alarms = 0
    for _ in range(300):
        candidate, stable = np.zeros(2, int), np.zeros(2, int)
        for _ in range(14):
            candidate += (random.binomial(15, 0.005), 15)
            stable += (random.binomial(135, 0.005), 135)
            rise = least_rise((int(candidate[0]), int(candidate[1])), (int(stable[0]), int(stable[1])))
            if candidate[1] >= 50 and rise > 0.01:
                alarms += 1
                break
    assert alarms <= 3
