"""Expectations and what was seen, in short words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.quality.wording import MAX_LENGTH, expected_text, observed_text, value_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    ("kind", "arguments", "text"),
    [
        ("expect_column_values_to_not_be_null", {"column": "a"}, "values to not be null"),
        ("expect_column_values_to_be_between", {"min_value": 0, "max_value": 5000}, "values ≥ 0 and ≤ 5,000"),
        ("expect_column_values_to_be_between", {"min_value": 0, "strict_min": True}, "values > 0"),
        ("expect_table_row_count_to_be_between", {"min_value": 1}, "row count ≥ 1"),
        (
            "expect_column_values_to_be_in_set",
            {"value_set": ["EWR", "JFK"], "mostly": 0.995},
            "values to be in set (value set [EWR, JFK]), in at least 99.5 % of rows",
        ),
    ],
)
def test_expected_reads_like_a_sentence(kind: str, arguments: dict[str, Any], text: str) -> None:
    """The type without its prefix, with its arguments."""
    assert expected_text(kind, arguments) == text


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ({"element_count": 200_000, "unexpected_count": 0}, "0 of 200,000 rows unexpected"),
        (
            {"element_count": 200, "unexpected_count": 50, "partial_unexpected_list": [-3.0, -1.0, -3.0]},
            "50 of 200 rows unexpected (25 %): -3, -1",
        ),
        ({"observed_value": 0.123456789}, "0.123457"),
        ({"observed_value": None}, "null"),
        ({"observed_value": math.nan}, "null"),
        ({}, "no value"),
    ],
)
def test_observed_says_how_many_and_which(found: dict[str, Any], text: str) -> None:
    """Counts with examples, or the observed value."""
    assert observed_text(found, []) == text


def test_exception_is_said_in_one_line() -> None:
    """Of several messages, one of which may be a traceback, the short one is shown by its last line."""
    assert observed_text({}, ["Traceback:\n lots\nKeyError: 'x'", "no column x"]) == "could not be checked: no column x"


def test_a_row_of_numbers_is_listed() -> None:
    """A value of a column of lists is an array: it is shown as a list."""
    found = {"element_count": 2, "unexpected_count": 1, "partial_unexpected_list": [np.array([1.0, 2.5])]}
    assert observed_text(found, []) == "1 of 2 rows unexpected (50 %): [1, 2.5]"


@given(VALUES)
def test_any_value_becomes_short_text(value: Any) -> None:
    """Whatever an expectation observes, the text fits the report."""
    assert isinstance(value_text(value), str)
    assert len(observed_text({"observed_value": value}, [])) <= MAX_LENGTH
