"""Expectations as authors write them: what the reader accepts the quality stage can run."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings

from bighead_ci.definitions.expectations_file import load_expectations, read_expectations
from bighead_ci.documents.expectation import Expectation
from bighead_ci.errors import InputError
from bighead_ci.quality.expectations import GreatExpectationRunner
from fakes.memory_tree import MemoryTree

FOLDER = "features/delays/v1"
NOT_NULL = "expect_column_values_to_not_be_null"


def tree(written: Any) -> MemoryTree:
    return MemoryTree({f"{FOLDER}/expectations.yaml": yaml.safe_dump({"expectations": written}, sort_keys=False)})


@pytest.mark.parametrize(
    "written",
    [
        {"type": NOT_NULL, "column": "delays.x"},
        {"type": NOT_NULL, "kwargs": {"column": "delays.x"}},
        {"type": NOT_NULL, "column": "delays.x", "kwargs": None, "notes": "why"},
    ],
)
def test_arguments_stand_beside_the_type_or_below_kwargs(written: dict[str, Any]) -> None:
    """Both forms give the same expectation, also to the feature set that names its column with its own name before."""
    (found,) = load_expectations(tree([written]), FOLDER)
    assert found == Expectation(place="expectations.0", type=NOT_NULL, arguments={"column": "delays.x"})
    assert found.without_prefix("delays").columns == {"column": "x"}


@pytest.mark.parametrize(
    ("written", "subject", "line"),
    [
        ({"type": NOT_NULL, "column": 5}, "expectations.0.column", 3),
        ({"type": NOT_NULL, "kwargs": {"column": ["a"]}}, "expectations.0.kwargs.column", 4),
        ({"type": NOT_NULL, "kwargs": ["column"]}, "expectations.0.kwargs", 3),
        ({"type": 5}, "expectations.0", 2),
        ("type", "expectations.0", 2),
        ({"type": NOT_NULL, "column": "a", "kwargs": {"column": "b"}}, "expectations.0.column", 3),
    ],
)
def test_a_wrong_form_is_a_problem_at_its_line(written: Any, subject: str, line: int) -> None:
    """What the stage could not run is said by `check`, with the place."""
    (problem,) = read_expectations(tree([written]), FOLDER).problems
    assert (problem.file, problem.line, problem.subject) == (f"{FOLDER}/expectations.yaml", line, subject)
    assert problem.allowed


VALUES = st.one_of(st.none(), st.integers(-5, 5), st.text(max_size=3), st.lists(st.integers(), max_size=2))
NAMES = st.one_of(st.sampled_from(["column", "column_A", "min_value", "mostly", "value_set"]), st.text(max_size=3))
ARGUMENTS = st.dictionaries(NAMES, st.one_of(st.sampled_from(["x", "delays.x"]), VALUES), max_size=3)
TYPES = st.sampled_from([NOT_NULL, "expect_column_values_to_be_between", "expect_table_row_count_to_be_between"])
WRITTEN = st.builds(
    lambda kind, beside, below: {**beside, "type": kind, **({} if below is None else {"kwargs": below})},
    st.one_of(TYPES, VALUES),
    ARGUMENTS,
    st.one_of(ARGUMENTS, VALUES),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(WRITTEN, VALUES), max_size=3))
def test_what_is_accepted_can_be_run(written: list[Any]) -> None:
    """The stage answers with results or a problem of the input, whatever stood in the file."""
    found = read_expectations(tree(written), FOLDER)
    if found.problems:
        return
    suite = [one.without_prefix("delays") for one in found.expectations]
    with suppress(InputError):
        results = RUNNER.run(FOLDER, suite, pa.table({"x": [1.0, None, 3.0]}))
        assert [result.type for result in results] == [one.type for one in suite]


RUNNER = GreatExpectationRunner()
