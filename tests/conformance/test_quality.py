"""What every expectation runner and drift detector does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from bighead_ci.definitions.expectations_file import load_expectations
from bighead_ci.documents.record import DriftResult, ExpectationResult
from bighead_ci.errors import InputError
from bighead_ci.ports.quality import DriftDetector, ExpectationRunner
from bighead_ci.quality.drift import EvidentlyDriftDetector
from bighead_ci.quality.expectations import GreatExpectationRunner
from fakes.drift import MemoryDriftDetector
from fakes.expectations import MemoryExpectationRunner
from fakes.memory_tree import MemoryTree

SUITE = "models/flight_delay/v1"


@pytest.fixture(scope="module", params=[GreatExpectationRunner, MemoryExpectationRunner])
def runner(request: pytest.FixtureRequest) -> ExpectationRunner:
    made: ExpectationRunner = request.param()
    return made


@pytest.fixture(scope="module", params=[EvidentlyDriftDetector, MemoryDriftDetector])
def detector(request: pytest.FixtureRequest) -> DriftDetector:
    made: DriftDetector = request.param()
    return made


@pytest.fixture
def flights() -> pd.DataFrame:
    return pd.DataFrame(
        {"carrier": ["UA", "AA", None, "B6"], "distance": [100.0, 2000.0, 300.0, -1.0], "vector": [[1.0]] * 4}
    )


def run(runner: ExpectationRunner, written: list[dict[str, Any]], data: pd.DataFrame) -> list[ExpectationResult]:
    """Run expectations as an author writes them on a frame."""
    text = yaml.safe_dump({"expectations": written})
    suite = load_expectations(MemoryTree({f"{SUITE}/expectations.yaml": text}), SUITE)
    return runner.run(SUITE, suite, pa.Table.from_pandas(data, preserve_index=False))


def compare(
    detector: DriftDetector,
    reference: pd.DataFrame,
    current: pd.DataFrame,
    names: tuple[str, str],
    html: Path | None = None,
) -> DriftResult:
    """Compare two frames."""
    first, second = (pa.Table.from_pandas(data, preserve_index=False) for data in (reference, current))
    return detector.compare(first, second, names, html=html)


def normal(rows: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "delay": random.normal(shift, 1.0, rows),
            "distance": random.normal(0.0, 1.0, rows),
            "carrier": random.choice(["UA", "AA", "B6"], rows),
        }
    )


def test_a_failing_expectation_on_a_column_of_lists_is_a_result(runner: ExpectationRunner) -> None:
    """Unexpected values that are arrays are shown, not a crash."""
    vectors = pd.DataFrame({"pixels": [np.array([0.0, 1.0])] * 3})
    (result,) = run(runner, [{"type": "expect_column_values_to_be_null", "column": "pixels"}], vectors)
    assert (result.success, result.unexpected_count) == (False, 3)
    assert "[0, 1]" in result.observed


@pytest.mark.parametrize(
    ("expectation", "success", "count"),
    [
        ({"type": "expect_column_values_to_not_be_null", "column": "distance"}, True, 0),
        ({"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "carrier"}}, False, 1),
        ({"type": "expect_column_values_to_be_between", "column": "distance", "min_value": 0}, False, 1),
        ({"type": "expect_column_values_to_be_between", "column": "distance", "min_value": 0, "mostly": 0.7}, True, 1),
        ({"type": "expect_column_values_to_be_in_set", "column": "carrier", "value_set": ["UA", "AA"]}, False, 1),
        ({"type": "expect_table_row_count_to_be_between", "min_value": 4, "max_value": 4}, True, None),
        ({"type": "expect_table_row_count_to_be_between", "min_value": 5}, False, None),
        ({"type": "expect_column_to_exist", "column": "tailnum"}, False, None),
    ],
)
def test_expectation_is_checked(
    runner: ExpectationRunner, flights: pd.DataFrame, expectation: dict[str, Any], success: bool, count: int | None
) -> None:
    """Column and table expectations hold or fail as the data says, with the count of unexpected rows."""
    (result,) = run(runner, [expectation], flights)
    assert (result.success, result.unexpected_count) == (success, count)
    assert result.suite == SUITE
    assert result.type == expectation["type"]
    assert result.observed
    assert result.expected


def test_results_come_in_the_order_of_the_expectations(runner: ExpectationRunner, flights: pd.DataFrame) -> None:
    """Also when some of them raise, and when one is written twice."""
    columns = ["distance", "missing", "carrier", "distance", "missing", "carrier"]
    suite = [{"type": "expect_column_values_to_not_be_null", "column": column} for column in columns]
    assert [result.column for result in run(runner, suite, flights)] == columns


def test_missing_column_is_a_failure_that_says_so(runner: ExpectationRunner, flights: pd.DataFrame) -> None:
    """The result fails and its observation names the column."""
    (result,) = run(runner, [{"type": "expect_column_mean_to_be_between", "column": "speed", "min_value": 0}], flights)
    assert not result.success
    assert "speed" in result.observed
    assert "does not exist" in result.observed


def test_expectation_that_raises_is_a_failure_that_says_so(runner: ExpectationRunner, flights: pd.DataFrame) -> None:
    """Comparing texts with a number fails that expectation only."""
    suite: list[dict[str, Any]] = [
        {"type": "expect_column_values_to_be_between", "column": "carrier", "min_value": 0},
        {"type": "expect_column_values_to_not_be_null", "column": "distance"},
    ]
    failed, held = run(runner, suite, flights)
    assert not failed.success
    assert failed.observed.startswith("could not be checked")
    assert held.success


def test_unknown_type_names_the_closest(runner: ExpectationRunner, flights: pd.DataFrame) -> None:
    """A misspelt type and a misspelt argument are refused together, with what was probably meant."""
    suite = [
        {"type": "expect_column_values_to_be_betwen", "column": "distance"},
        {"type": "expect_column_values_to_not_be_null", "colum": "distance"},
    ]
    with pytest.raises(InputError) as caught:
        run(runner, suite, flights)
    text = str(caught.value)
    assert f"{SUITE}/expectations.yaml" in text
    assert "did you mean 'expect_column_values_to_be_between'" in text
    assert "expectations.1.colum" in text


def test_a_column_without_values_breaks_no_expectation_on_values(runner: ExpectationRunner) -> None:
    """Nulls are another expectation's business."""
    data = pd.DataFrame({"carrier": pd.Series([None, None], dtype=object), "distance": [np.nan, np.nan]})
    suite: list[dict[str, Any]] = [
        {"type": "expect_column_values_to_be_in_set", "column": "carrier", "value_set": ["UA"]},
        {"type": "expect_column_values_to_be_between", "column": "distance", "min_value": 0},
        {"type": "expect_column_values_to_not_be_null", "column": "distance"},
    ]
    results = run(runner, suite, data)
    assert [(result.success, result.unexpected_count) for result in results] == [(True, 0), (True, 0), (False, 2)]


def test_no_expectations_give_no_results(runner: ExpectationRunner, flights: pd.DataFrame) -> None:
    """An empty suite holds."""
    assert run(runner, [], flights) == []


def test_runner_is_quiet(runner: ExpectationRunner, flights: pd.DataFrame, capfd: pytest.CaptureFixture[str]) -> None:
    """No progress bar or log line reaches the terminal, also when something raises."""
    run(runner, [{"type": "expect_column_values_to_not_be_null", "column": c} for c in ("distance", "no")], flights)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("rows", [30, 4000])
def test_moved_column_drifts_and_comes_first(detector: DriftDetector, rows: int) -> None:
    """A column that moved by two deviations drifts, also in thirty rows; the furthest is first."""
    result = compare(detector, normal(4000, 1), normal(rows, 2, shift=2.0), ("training set", "live"))
    assert result.columns[0].column == "delay"
    assert result.columns[0].drifted
    assert (result.reference, result.current) == ("training set", "live")
    assert (result.reference_rows, result.current_rows) == (4000, rows)
    ratios = [column.score / column.threshold for column in result.columns]
    assert ratios == sorted(ratios, reverse=True)
    assert all(column.score >= column.threshold for column in result.columns if column.drifted)


@pytest.mark.parametrize("rows", [30, 4000])
def test_same_distribution_does_not_drift(detector: DriftDetector, rows: int) -> None:
    """Rows from where the reference came from show no drift, few or many."""
    assert compare(detector, normal(4000, 1), normal(rows, 3), ("a", "b")).drifted == 0


@pytest.mark.parametrize("rows", [(60, 30), (3000, 200), (1500, 1500), (4000, 4000)])
def test_none_of_many_columns_drifts_by_chance(detector: DriftDetector, rows: tuple[int, int]) -> None:
    """Sixty columns of one distribution, one in twenty of them odd: few rows and many, few values and more."""
    random = np.random.default_rng(5)
    samples = [
        pd.DataFrame(
            {f"n{number}": random.normal(size=count) for number in range(30)}
            | {f"c{number}": random.integers(0, 2 + number**2, count).astype(str) for number in range(30)}
        )
        for count in rows
    ]
    found = compare(detector, samples[0], samples[1], ("a", "b"))
    assert len(found.columns) == 60
    assert [one.column for one in found.columns if one.drifted] == []


def test_identifiers_that_are_new_drift(detector: DriftDetector) -> None:
    """Of ids few come twice; that none of them was seen before is more than chance."""
    random = np.random.default_rng(3)
    seen, new = (pd.DataFrame({"id": random.integers(low, low + 500, 400).astype(str)}) for low in (0, 10_000))
    assert compare(detector, seen, new, ("a", "b")).drifted == 1


def test_same_data_gives_the_same_result(detector: DriftDetector) -> None:
    """Samples are chosen the same way each time."""
    reference, current = normal(9000, 1), normal(8000, 2, shift=0.1)
    assert compare(detector, reference, current, ("a", "b")) == compare(detector, reference, current, ("a", "b"))


def test_only_columns_of_both_are_compared(detector: DriftDetector) -> None:
    """A column that one sample lacks has nothing to be compared with; lists and times are left out."""
    reference = normal(100, 1).assign(old=1.0, vector=[[1.0, 2.0]] * 100, at=pd.Timestamp("2013-10-01", tz="UTC"))
    current = normal(100, 2).assign(new=1.0, vector=[[1.0, 2.0]] * 100, at=pd.Timestamp("2013-11-01", tz="UTC"))
    compared = {column.column for column in compare(detector, reference, current, ("a", "b")).columns}
    assert compared == {"delay", "distance", "carrier"}


AWKWARD: dict[str, list[Any]] = {
    "constant": [7.0] * 50,
    "all missing": [None] * 50,
    "all NaN": [np.nan] * 50,
    "mostly missing": [1.0] + [np.nan] * 49,
    "infinite": [np.inf, -np.inf] * 25,
    "huge": [1.7e308, -1.7e308] * 25,
    "two values": [0, 1] * 25,
    "boolean": [True, False] * 25,
    "identifiers": [f"id{number}" for number in range(50)],
    "one text": ["same"] * 50,
}


@pytest.mark.parametrize("reference_rows", [50, 2000])
def test_awkward_columns_do_not_fail(detector: DriftDetector, reference_rows: int) -> None:
    """Constant, missing, infinite, huge, mixed and unique values are each compared with each other kind."""
    for name, values in AWKWARD.items():
        reference = pd.DataFrame(dict.fromkeys(AWKWARD, values * (reference_rows // 50)))
        result = compare(detector, reference, pd.DataFrame(AWKWARD), ("a", "b"))
        assert {column.column for column in result.columns} == set(AWKWARD)
        assert not {column.column: column.drifted for column in result.columns}[name]


def test_one_row_can_be_compared(detector: DriftDetector) -> None:
    """A single live request gives a score for each column and does not fail."""
    assert len(compare(detector, normal(4000, 1), normal(1, 2), ("a", "b")).columns) == 3


def test_values_that_vanish_or_appear_drift(detector: DriftDetector) -> None:
    """A column that has values in one sample and none in the other drifted, as did one with only new values."""
    reference = pd.DataFrame({"gone": [1.0] * 100, "carrier": ["UA"] * 100})
    current = pd.DataFrame({"gone": [np.nan] * 40, "carrier": ["ZZ"] * 40})
    assert compare(detector, reference, current, ("a", "b")).drifted == 2


def test_values_that_turn_missing_drift(detector: DriftDetector) -> None:
    """Half of a column of numbers turned null: it drifted though the values that are left look as before."""
    reference, current = normal(3000, 1), normal(3000, 2)
    current["delay"] = current["delay"].where(current.index % 2 == 0)
    (first, *others) = compare(detector, reference, current, ("a", "b")).columns
    assert (first.column, first.method, first.drifted) == ("delay", "difference of missing share", True)
    assert first.score == pytest.approx(0.5)
    assert not any(column.drifted for column in others)


def test_one_missing_value_among_few_is_no_drift(detector: DriftDetector) -> None:
    """A single null of six rows is a large share and says nothing."""
    current = normal(6, 2)
    current.loc[0, "delay"] = np.nan
    result = compare(detector, normal(3000, 1), current, ("a", "b"))
    assert "difference of missing share" not in {column.method for column in result.columns}


@pytest.mark.parametrize("rows", [(0, 10), (10, 0), (0, 0)])
def test_empty_samples_have_no_columns(detector: DriftDetector, rows: tuple[int, int], tmp_path: Path) -> None:
    """Nothing against something compares nothing, and writes no page."""
    page = tmp_path / "drift.html"
    page.write_text("of an earlier run")
    result = compare(detector, normal(rows[0], 1), normal(rows[1], 2), ("a", "b"), html=page)
    assert result.columns == []
    assert not page.exists()


def test_page_is_self_contained(detector: DriftDetector, tmp_path: Path) -> None:
    """The page loads nothing from elsewhere, and nothing half-written lies beside it."""
    page = tmp_path / "report" / "drift.html"
    compare(detector, normal(200, 1), normal(200, 2), ("a", "b"), html=page)
    text = page.read_text()
    assert "delay" in text
    assert 'src="http' not in text
    assert 'rel="stylesheet"' not in text
    assert list(page.parent.iterdir()) == [page]


def test_ids_beyond_2_53_are_told_apart(runner: ExpectationRunner) -> None:
    """Beside nulls too: no value is compared as the float64 next to it."""
    large = 2**53
    data = pa.table({"id": pa.array([large + 1, None, -large - 1, 2**63 - 1], pa.int64())})
    written = [
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "id", "value_set": values}}
        for values in ([large + 1, -large - 1, 2**63 - 1], [large, -large, 2**63 - 1])
    ]
    suite = load_expectations(
        MemoryTree({f"{SUITE}/expectations.yaml": yaml.safe_dump({"expectations": written})}), SUITE
    )
    exact, rounded = runner.run(SUITE, suite, data)
    assert exact.success
    assert (rounded.success, rounded.unexpected_count) == (False, 2)


def test_columns_are_compared_whatever_they_are_called(detector: DriftDetector, tmp_path: Path) -> None:
    """Names that libraries use themselves, that differ by case alone, or that hold quotes; values beyond 2**53."""
    names = ["target", "prediction", "index", "id", "ID", "timestamp", "a b", 'q"u', "ü", "select", "level_0"]
    rows = pa.array(range(2**53, 2**53 + 40_000, 20), pa.int64())
    reference, moved = (pa.table(dict.fromkeys(names, values)) for values in (rows, rows.slice(1000)))
    found = detector.compare(reference, moved, ("a", "b"), html=tmp_path / "page.html")
    assert sorted(one.column for one in found.columns) == sorted(names)
    assert len({(one.method, one.score) for one in found.columns}) == 1
