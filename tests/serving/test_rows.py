"""Many rows in one request of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bighead_ci.errors import RetryError
from fakes.serving import FakeFeatures, FakeScorer, counter
from fakes.serving_bench import Bench

PATH = "/predict/batch"
ROWS = [{"carrier": "UA", "distance": 1}, {"carrier": "ZZ", "distance": 2}, {}]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_each_row_is_answered_as_it_would_be_alone(bench: Bench) -> None:
    """In order, each with an id of its own."""
    found = bench.post(PATH, {"rows": ROWS}).json()["rows"]
    alone = [bench.predict(row).json() for row in ROWS]
    assert len({one["prediction_id"] for one in found}) == len(ROWS)
    assert [_without_id(one) for one in found] == [_without_id(one) for one in alone]


def test_each_row_counts_as_an_answer(bench: Bench) -> None:
    """So ratios of nulls and of errors mean what they mean for single rows."""
    assert bench.post(PATH, {"rows": ROWS}).status_code == 200
    assert counter(bench.metrics, "bighead_requests_total", status="200") == len(ROWS)
    assert counter(bench.metrics, "bighead_null_inputs_total", input="distance") == 1


def test_wrong_rows_are_all_named_and_nothing_is_scored(bench: Bench) -> None:
    """By their number, every problem of each."""
    answer = bench.post(PATH, {"rows": [ROWS[0], {"carrier": 1, "distance": "far"}, [], {"distance": True}]})
    assert answer.status_code == 400
    assert [problem["field"] for problem in answer.json()["problems"]] == [
        "rows[1].carrier", "rows[1].distance", "rows[2]", "rows[3].distance",
    ]  # fmt: skip
    assert bench.scorer.seen == []
    assert counter(bench.metrics, "bighead_requests_total") == 1


@pytest.mark.parametrize("body", [[], {}, {"rows": 3}, {"rows": {"a": 1}}, "rows"])
def test_what_is_no_list_of_rows_is_refused(bench: Bench, body: Any) -> None:
    """With the form that is one."""
    answer = bench.post(PATH, body)
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["allowed"] == '{"rows": [{...}, ...]}'


def test_no_rows_are_answered_by_none(bench: Bench) -> None:
    """An empty list is a list."""
    assert bench.post(PATH, {"rows": []}).json() == {"rows": []}


def test_more_rows_than_are_taken_are_refused(tmp_path: Path) -> None:
    """The setting is named."""
    answer = Bench(tmp_path, rows=2).post(PATH, {"rows": ROWS})
    assert answer.status_code == 400
    assert "3" in answer.json()["problems"][0]["value"]
    assert "serving.max_batch_rows" in answer.json()["error"]


def test_a_store_that_does_not_answer_fails_the_whole_request(tmp_path: Path) -> None:
    """503, as for one row."""
    bench = Bench(tmp_path, features=FakeFeatures(RetryError("busy")))
    answer = bench.post(PATH, {"rows": ROWS})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_a_row_without_a_number_fails_the_whole_request(tmp_path: Path) -> None:
    """500: half of a list would be taken for all of it."""
    answer = Bench(tmp_path, scorer=FakeScorer([float("nan"), 0.0])).post(PATH, {"rows": ROWS})
    assert answer.status_code == 500


def test_a_long_list_lets_single_rows_in_between(bench: Bench) -> None:
    """A row that is sent with it is scored before its last row is."""
    long = json.dumps({"rows": [{"distance": 1}] * 200}).encode()
    bench.send(("POST", PATH, long), ("POST", "/predict", b'{"distance": 7}'))
    assert [row["distance"] for row in bench.scorer.seen].index(7.0) < 200


def _without_id(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "prediction_id"}
