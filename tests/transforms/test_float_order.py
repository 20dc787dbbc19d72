"""Halving leads from any two numbers to neighbours."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.transforms.float_order import between, close, halfway

FLOATS = st.floats(allow_nan=False)
WHOLE = st.integers(-(2**63), 2**63 - 1)


@given(FLOATS, FLOATS)
def test_sixty_four_halvings_lead_from_any_floats_to_neighbours(first: float, second: float) -> None:
    """The step that is kept is always the one with the border in it; subnormals and infinities among them."""
    low, high = sorted((first, second))
    for _ in range(64):
        middle = between(low, high)
        assert low <= middle <= high
        low, high = (middle, high) if middle <= second / 3 else (low, middle)
    assert low == high or math.nextafter(low, math.inf) == high


@given(WHOLE, WHOLE)
def test_whole_numbers_do_not_overflow(first: int, second: int) -> None:
    """Nor are they rounded."""
    assert between(first, second) == (first + second) // 2


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=1))
def test_many_pairs_are_halved_as_one_is(pairs: list[tuple[float, float]]) -> None:
    """Both zeros are one number."""
    low, high = np.array(pairs).T.copy()
    assert halfway(low, high).tolist() == [between(*pair) for pair in pairs]


def test_far_numbers_are_close_when_they_agree_in_three_digits() -> None:
    """A bound of 3.4e38 need not be known to the last digit; one of 3.4 does."""
    assert close(3.4e38, 3.4001e38)
    assert not close(3.4, 3.4001)
    assert close(3.4, math.nextafter(3.4, 4))
    assert not close(1e300, math.inf)
    assert close(5, 6)
    assert not close(6, 4)
