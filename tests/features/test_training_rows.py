"""The rows of a training set, on joined tables: no engine is needed to say what they mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bighead_ci.documents.base import epoch_us
from bighead_ci.documents.definition import HashSplit, Label, RequestField
from bighead_ci.documents.stage import TimeRanges, TrainingSetSpec
from bighead_ci.errors import InputError
from bighead_ci.features.training_rows import (
    JoinedRows,
    select_rows,
    summary_of,
    training_table,
    wanted_span,
)
from oracles.training_rows import Row, fate

START = datetime(2013, 9, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RANGES = TimeRanges(train=(START, START + 10 * MINUTE), evaluate=(START + 15 * MINUTE, START + 30 * MINUTE))
AS_OF = START + 25 * MINUTE
OFFSET = 2 * 60_000_000


def spec(split: TimeRanges | HashSplit = RANGES, as_of: datetime | None = AS_OF, **changes: Any) -> TrainingSetSpec:
    told = TrainingSetSpec(
        model="m",
        version="v1",
        spine="spine",
        label=Label(source="labels", column="y", offset="2m"),
        split=split,
        as_of=as_of,
        request={"distance": RequestField(type="float64", column="d")},
        slices=["place"],
        features=[],
        sets=[],
        sources={},
    )
    return told.model_copy(update=changes)


def joined(rows: list[Row], left_out: int = 0) -> JoinedRows:
    def column(values: list[Any], kind: pa.DataType) -> pa.ChunkedArray:
        return pa.chunked_array([pa.array(values, kind)])

    return JoinedRows(
        spine=pa.table(
            {
                "d": column([row.event_id * 10 for row in rows], pa.int64()),
                "place": column([f"p{row.event_id}" for row in rows], pa.string()),
            }
        ),
        event_id=column([row.event_id for row in rows], pa.int64()),
        times=column([row.time for row in rows], pa.int64()),
        label=column([row.label for row in rows], pa.float64()),
        label_known=column([row.known for row in rows], pa.int64()),
        left_out=left_out,
    )


edges = [epoch_us(START + minutes * MINUTE) + step for minutes in (0, 10, 15, 23, 25, 30) for step in (-1, 0, 1)]
times = st.one_of(st.none(), st.sampled_from(edges))
labels = st.sampled_from([None, 0.0, 1.0, float("nan"), float("inf")])
histories = st.lists(st.tuples(times, labels, times), max_size=20).map(
    lambda drawn: [Row(number, *row) for number, row in enumerate(drawn)]
)
splits = st.sampled_from([RANGES, HashSplit(kind="hash", evaluate_percent=30)])


@settings(max_examples=200, deadline=None)
@given(histories, splits, st.sampled_from([None, AS_OF]), st.randoms(use_true_random=False))
def test_each_row_has_the_fate_that_the_rules_say(
    rows: list[Row], split: TimeRanges | HashSplit, as_of: datetime | None, random: Any
) -> None:
    """Kept rows, their part, order and count by reason equal a row-by-row reading, in whatever order rows come."""
    told = spec(split, as_of)
    ranges = tuple(
        (epoch_us(start), epoch_us(end)) for start, end in (RANGES.train, RANGES.evaluate)
    )  # fmt: skip
    by_hand = ranges if isinstance(split, TimeRanges) else split.evaluate_percent
    moment = None if as_of is None else epoch_us(as_of)
    fates = {row.event_id: fate(row, by_hand, moment, OFFSET) for row in rows}  # type: ignore[arg-type] # two ranges
    kept = sorted((row for row in rows if fates[row.event_id] in ("train", "evaluate")), key=_order)
    shuffled = random.sample(rows, len(rows))
    found = select_rows(told, joined(shuffled))
    assert found.event_id.to_pylist() == [row.event_id for row in kept]
    table = training_table(told, found, {})
    assert table["__part"].to_pylist() == [fates[row.event_id] for row in kept]
    assert table["__label"].to_pylist() == [row.label for row in kept]
    assert table["place"].to_pylist() == [f"p{row.event_id}" for row in kept]
    assert table["distance"].to_pylist() == [row.event_id * 10.0 for row in kept]
    counted = [list(fates.values()).count(reason) for reason in ("outside", "immature", "unlabelled")]
    assert [found.outside_split, found.immature, found.unlabelled] == counted


def _order(row: Row) -> tuple[int, Any]:
    assert row.time is not None
    return row.time, row.event_id


@settings(max_examples=100, deadline=None)
@given(histories)
def test_rows_outside_the_wanted_span_need_not_be_joined(rows: list[Row]) -> None:
    """A store may leave them out and say how many: nothing changes."""
    told = spec()
    span = wanted_span(told)
    assert span is not None
    near = [row for row in rows if row.time is not None and span[0] <= row.time < span[1]]
    whole, part = select_rows(told, joined(rows)), select_rows(told, joined(near, left_out=len(rows) - len(near)))
    assert summary_of(told, whole, {}, {}) == summary_of(told, part, {}, {})
    assert training_table(told, whole, {}).equals(training_table(told, part, {}))


@pytest.mark.parametrize("far", [2**63 - 2, 2**63 - 1 - OFFSET, 2**63 - OFFSET])
def test_a_row_of_the_far_future_is_immature(far: int) -> None:
    """Also where its time plus the label's offset is beyond int64."""
    rows = [Row(number, far, 1.0, 0) for number in range(20)]
    found = select_rows(spec(HashSplit(kind="hash", evaluate_percent=30)), joined(rows))
    assert (found.immature, len(found.event_id)) == (20, 0)


def test_rows_at_one_time_follow_their_event_ids() -> None:
    """The order is total, whatever the order of the rows that came in."""
    at = epoch_us(START)
    found = select_rows(spec(), joined([Row(number, at, 1.0, at) for number in (10, 9, 2)]))
    assert found.event_id.to_pylist() == [2, 9, 10]


def test_a_split_by_time_needs_times() -> None:
    """A spine without a timestamp cannot be split by one."""
    rows = joined([Row(1, None, 1.0, 0)])
    timeless = JoinedRows(rows.spine, rows.event_id, None, rows.label, None)
    with pytest.raises(InputError, match="split by time needs a spine with a timestamp"):
        select_rows(spec(), timeless)


def test_rows_without_time_are_split_by_hash_and_always_known() -> None:
    """Neither times nor a label's known-at: every labelled row is used."""
    rows = joined([Row(number, None, float(number), None) for number in range(4)])
    timeless = JoinedRows(rows.spine, rows.event_id, None, rows.label, None)
    found = select_rows(spec(HashSplit(kind="hash", evaluate_percent=50)), timeless)
    assert found.event_id.to_pylist() == [0, 1, 2, 3]
    assert "__timestamp" not in training_table(spec(), found, {}).column_names
