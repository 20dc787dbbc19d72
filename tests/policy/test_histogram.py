"""Figures read from histograms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.policy.histogram import mean, population_stability_index, quantile

COUNTS = st.lists(st.integers(0, 10_000), min_size=20, max_size=20)
INFINITY = float("inf")


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ([(1.0, 10.0), (2.0, 10.0)], 0.5, 1.0),
        ([(1.0, 10.0), (2.0, 10.0)], 0.75, 1.5),
        ([(1.0, 0.0), (2.0, 4.0), (4.0, 0.0)], 1.0, 2.0),
        ([(1.0, 1.0), (INFINITY, 9.0)], 0.99, 1.0),
        ([(1.0, 0.0), (INFINITY, 0.0)], 0.5, 0.0),
        ([], 0.5, 0.0),
    ],
)
def test_a_quantile_is_interpolated_in_its_bucket(
    buckets: list[tuple[float, float]], share: float, expected: float
) -> None:
    """Worked by hand, with the ends: nothing counted, everything above the last bound."""
    assert quantile(buckets, share) == pytest.approx(expected)


@given(st.lists(st.floats(0.0002, 4.0), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_quantile_is_within_its_bucket_of_the_truth(values: list[float], share: float) -> None:
    """Fine buckets give the order statistic up to one bucket's width."""
    bounds = [0.0001 * 1.25**step for step in range(50)]
    counts, _ = np.histogram(values, [0.0, *bounds])
    found = quantile(list(zip(bounds, counts.astype(float), strict=True)), share)
    truth = sorted(values)[max(0, int(np.ceil(share * len(values))) - 1)]
    assert truth / 1.26 <= found <= truth * 1.26


def test_a_mean_of_nothing_is_zero() -> None:
    """No division by zero where nothing was counted."""
    assert mean(0.0, 0.0) == 0.0
    assert mean(3.0, 4.0) == 0.75


@given(COUNTS, COUNTS)
def test_the_index_is_symmetric_and_never_negative(left: list[int], right: list[int]) -> None:
    """Which of the two is the reference does not matter."""
    index = population_stability_index(left, right)
    assert index >= 0
    assert index == pytest.approx(population_stability_index(right, left))


@given(COUNTS)
def test_a_histogram_does_not_differ_from_itself(counts: list[int]) -> None:
    """The same counts give 0."""
    assert population_stability_index(counts, counts) == 0


def test_a_small_sample_of_the_same_scores_is_no_shift() -> None:
    """Fifty scores of the distribution that five thousand came from stay under 0.2 practically always."""
    random = np.random.default_rng(7)
    reference = np.histogram(random.beta(2, 5, 5000), 20, (0, 1))[0].tolist()
    found = [
        population_stability_index(reference, np.histogram(random.beta(2, 5, 50), 20, (0, 1))[0].tolist())
        for _ in range(1000)
    ]
    assert np.quantile(found, 0.998) < 0.2


def test_moved_scores_are_a_shift() -> None:
    """Scores two tenths higher are plainly different."""
    random = np.random.default_rng(7)
    reference = np.histogram(random.normal(0.4, 0.1, 2000), 20, (0, 1))[0].tolist()
    moved = np.histogram(random.normal(0.6, 0.1, 200), 20, (0, 1))[0].tolist()
    assert population_stability_index(reference, moved) > 0.5
