"""The order in which events become visible, whatever their moments are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.features.kernel.arrays import GREATEST, I64, LEAST
from bighead_ci.features.kernel.windows import arrange

EXTREME = st.sampled_from([LEAST, LEAST + 1, -1, 0, 1, GREATEST - 1, GREATEST])
CLOSE = st.integers(0, 20)
MOMENTS = st.one_of(EXTREME, CLOSE, st.integers(LEAST, GREATEST))


def arranged(groups: list[list[int]]) -> list[list[int]]:
    """The ranks of each group."""
    ends = np.cumsum([len(group) for group in groups], dtype=np.int64)
    starts = np.append(np.zeros(1, np.int64), ends)[:-1]
    visible: I64 = np.array([moment for group in groups for moment in group], np.int64)
    ranks = np.full(visible.size, -1, np.int64)
    arrange(starts, ends, visible, ranks)
    return [ranks[start:end].tolist() for start, end in zip(starts, ends, strict=True)]


@given(st.lists(st.lists(MOMENTS, max_size=40), min_size=1, max_size=4))
def test_events_are_ranked_by_moment_and_equal_ones_as_they_stand(groups: list[list[int]]) -> None:
    """As a stable sort of each group would do it, at the ends of int64 too."""
    assert arranged(groups) == [np.argsort(np.array(group, np.int64), kind="stable").tolist() for group in groups]


@pytest.mark.parametrize("outlier", [LEAST, GREATEST - 1])
def test_one_moment_far_from_all_others_is_no_slow_case(outlier: int) -> None:
    """All others then fall together, and are sorted otherwise; the order is the same."""
    moments = np.random.default_rng(0).integers(0, 1_000_000, 5_000).tolist()
    assert arranged([[outlier, *moments]]) == [np.argsort([outlier, *moments], kind="stable").tolist()]
