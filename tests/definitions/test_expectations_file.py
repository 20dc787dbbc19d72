"""Expectations as authors write them: what the reader accepts the quality stage can run."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings

from bighead_ci.definitions.expectation_types import ArgumentForm, ExpectationType, Kind, expectation_types
from bighead_ci.definitions.expectations_file import load_expectations, read_expectations
from bighead_ci.documents.expectation import Expectation
from bighead_ci.quality.expectations import GreatExpectationRunner
from fakes.memory_tree import MemoryTree

FOLDER = "features/delays/v1"
NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
UNIQUE = "expect_compound_columns_to_be_unique"


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
    assert found.without_prefix("delays").columns == {("column",): "x"}


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


def test_a_list_of_columns_is_named_by_the_sets_own_names() -> None:
    """Each column of it is one that the expectation names."""
    written = {"type": "expect_compound_columns_to_be_unique", "column_list": ["delays.x", "y"]}
    (found,) = load_expectations(tree([written]), FOLDER)
    bare = found.without_prefix("delays")
    assert bare.arguments == {"column_list": ["x", "y"]}
    assert bare.columns == {("column_list", 0): "x", ("column_list", 1): "y"}


@pytest.mark.parametrize(
    ("written", "subject", "line", "said"),
    [
        ({"type": f"{NOT_NULL}l", "column": "x"}, "expectations.0.type", 2, f"did you mean '{NOT_NULL}'"),
        ({"type": NOT_NULL, "kwargs": {"colum": "x", "column": "x"}}, "expectations.0.kwargs.colum", 4, "'column'"),
        ({"type": NOT_NULL, "mostly": 0.9}, "expectations.0", 2, "needs the argument column"),
        ({"type": NOT_NULL, "column": "x", "mostly": 9}, "expectations.0.mostly", 4, "at most 1"),
        ({"type": NOT_NULL, "column": "x", "mostly": "most"}, "expectations.0.mostly", 4, "a number"),
        ({"type": NOT_NULL, "column": "x", "row_condition": "y > 1"}, "expectations.0.row_condition", 4, "no such"),
        ({"type": BETWEEN, "column": "x", "max_value": None}, "expectations.0", 2, "min_value and max_value"),
        ({"type": BETWEEN, "column": "x", "max_value": "high"}, "expectations.0.max_value", 4, "a number, or a time"),
        ({"type": BETWEEN, "column": "x", "max_value": 10**400}, "expectations.0.max_value", 4, "a number"),
        ({"type": BETWEEN, "column": "x", "min_value": 2, "max_value": 1}, "expectations.0.min_value", 4, "at most 1"),
        ({"type": IN_SET, "column": "x", "value_set": []}, "expectations.0.value_set", 4, "at least one"),
        ({"type": UNIQUE, "column_list": ["x"]}, "expectations.0.column_list", 3, "at least 2"),
        ({"type": UNIQUE, "column_list": "x"}, "expectations.0.column_list", 3, "a list of names of columns"),
        ({"type": "unexpected_rows_expectation", "unexpected_rows_query": "x"}, "expectations.0.type", 2, "no such"),
    ],
)
def test_what_its_type_does_not_take_is_a_problem_at_its_line(
    written: dict[str, Any], subject: str, line: int, said: str
) -> None:
    """Unknown types and arguments with the closest name, what is missing, and values of another form."""
    (problem,) = read_expectations(tree([written]), FOLDER).problems
    assert (problem.line, problem.subject) == (line, subject)
    assert said in str(problem)


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(),
    st.sampled_from([10**400, -(2**63), "$PARAMETER", "2013-10-01", "2013-13-01", "%Y", "%Q", "(", ""]),
    st.text(max_size=3),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=2)), max_size=2),
    st.dictionaries(st.sampled_from(["$PARAMETER", "quantiles", "value_ranges"]), st.lists(st.floats()), max_size=2),
)
COLUMN = st.sampled_from(["x", "delays.x", "y", "text", "nowhere"])
NUMBER = st.one_of(st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False))
GOOD: dict[Kind, st.SearchStrategy[Any]] = {
    "column": COLUMN,
    "columns": st.lists(COLUMN, min_size=1, max_size=3),
    "boolean": st.booleans(),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "number": NUMBER,
    "bound": st.one_of(NUMBER, st.sampled_from(["2013-10-01", "2013-10-01T06:00:00Z", "2013-10-01 06:00+02:00"])),
    "text": st.one_of(st.sampled_from(["float64", "("]), st.text(min_size=1, max_size=3)),
    "texts": st.lists(st.sampled_from(["float64", "(", "."]), min_size=1, max_size=2),
    "values": st.lists(st.one_of(NUMBER, st.booleans(), st.text(max_size=2)), min_size=1, max_size=3),
    "pairs": st.lists(st.lists(NUMBER, min_size=2, max_size=2), min_size=1, max_size=2),
    "time format": st.one_of(st.sampled_from(["%Y-%m-%d", "%H"]), st.text(min_size=1, max_size=3)),
    "quantile ranges": st.builds(
        lambda quantile, ends: {"quantiles": [quantile], "value_ranges": [sorted(ends)]},
        st.floats(0, 1),
        st.lists(NUMBER, min_size=2, max_size=2),
    ),
}


def values(form: ArgumentForm) -> st.SearchStrategy[Any]:
    return st.sampled_from(form.choices) if form.kind == "choice" else GOOD[form.kind]


@st.composite
def arguments(draw: st.DrawFn, of: ExpectationType) -> dict[str, Any]:
    """What the type takes, now and then with something wrong."""
    taken = {name: values(form) for name, form in of.arguments.items() if form.required or draw(st.booleans())}
    found = {name: draw(one) for name, one in taken.items()}
    if draw(st.integers(0, 3)) == 0:
        found[draw(st.sampled_from([*of.arguments, "batch_id", "windows"]))] = draw(ANYTHING)
    return found


WRITTEN = st.sampled_from(sorted(expectation_types())).flatmap(
    lambda kind: st.builds(
        lambda found, below: {"type": kind, **({"kwargs": found} if below else found)},
        arguments(expectation_types()[kind]),
        st.booleans(),
    )
)
DATA = pa.table({"x": [1.0, None, 3.0], "y": [3, 2, 1], "text": ["2013-10-01", "a", None]})


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(WRITTEN, WRITTEN, ANYTHING), max_size=3))
def test_what_is_accepted_can_be_run(written: list[Any]) -> None:
    """The stage answers with results, whatever stood in a file that `check` accepts."""
    found = read_expectations(tree(written), FOLDER)
    if found.problems:
        return
    suite = [one.without_prefix("delays") for one in found.expectations]
    results = RUNNER.run(FOLDER, suite, DATA)
    assert [result.type for result in results] == [one.type for one in suite]


RUNNER = GreatExpectationRunner()
