"""Many rows in one request of ours."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from bighead_ci.errors import RetryError
from bighead_ci.serving.rows import LISTED, TURN
from fakes.serving import FakeFeatures, FakeRows, FakeScorer, counter
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


def test_rows_are_counted_beside_requests(bench: Bench) -> None:
    """So ratios of nulls mean what they mean for single rows, and times of single rows are of these alone."""
    assert bench.post(PATH, {"rows": ROWS}).status_code == 200
    assert counter(bench.metrics, "bighead_requests_total", status="200") == 1
    assert counter(bench.metrics, "bighead_rows_total") == len(ROWS)
    assert counter(bench.metrics, "bighead_listed_row_seconds_count") == len(ROWS)
    assert counter(bench.metrics, "bighead_request_seconds_count") == 0
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
    assert "inputs that are null: " in answer.json()["error"]


def test_a_long_list_lets_single_rows_in_between(bench: Bench) -> None:
    """A row that is sent after it is answered before it."""

    async def run() -> list[str]:
        order: list[str] = []
        async with httpx.AsyncClient(transport=httpx.ASGITransport(bench.app), base_url="http://variant") as client:

            async def post(path: str, body: Any) -> None:
                assert (await client.post(path, json=body)).status_code == 200
                order.append(path)

            await asyncio.gather(post(PATH, {"rows": ROWS * 300}), post("/predict", {}))
        return order

    assert asyncio.run(run()) == ["/predict", PATH]


def test_a_turn_of_the_event_loop_does_a_part_of_a_long_list(bench: Bench) -> None:
    """Whatever else arrives has its turn every few rows; the model is given many at once."""

    async def answered_by_turn() -> list[float]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(bench.app), base_url="http://variant") as client:
            call = asyncio.ensure_future(client.post(PATH, json={"rows": ROWS * 100}))
            found = [0.0]
            while not call.done():
                await asyncio.sleep(0)
                found.append(counter(bench.metrics, "bighead_score_count"))
            return found

    found = asyncio.run(answered_by_turn())
    assert found[-1] == 300
    assert max(after - before for before, after in pairwise(found)) == TURN
    assert bench.scorer.together == [128, 128, 44]


def test_all_rows_are_looked_up_together(bench: Bench) -> None:
    """So they are of one moment and one publication; the model is not asked row by row."""
    bench.post(PATH, {"rows": ROWS})
    assert (bench.features.reads, len(bench.features.asked)) == (1, len(ROWS))
    assert bench.scorer.together == [len(ROWS)]


def test_a_list_is_looked_up_in_parts(bench: Bench) -> None:
    """Its keys may be thousands, and single rows have their turn between them."""
    lookups: list[FakeRows] = []
    fetch_many = bench.features.fetch_many

    def kept(keys: Any, as_of_us: int) -> FakeRows:
        lookups.append(fetch_many(keys, as_of_us))
        return lookups[-1]

    bench.features.fetch_many = kept  # type: ignore[method-assign] # to see how it is read
    bench.post(PATH, {"rows": [ROWS[0]] * (2 * TURN + 1)})
    assert [one.parts for one in lookups] == [[TURN, TURN, 1]]


def test_an_answer_lists_no_more_problems_than_somebody_reads(bench: Bench) -> None:
    """The rest is counted."""
    problems = bench.post(PATH, {"rows": [{"distance": "far"}] * (LISTED + 7)}).json()["problems"]
    assert len(problems) == LISTED + 1
    assert problems[-1]["message"] == "7 more problems, not listed"


def _without_id(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "prediction_id"}
