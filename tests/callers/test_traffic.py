"""Demonstration traffic: which rows become requests, and what their answers add up to."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.callers.requests import requests_in, requests_of
from bighead_ci.callers.traffic import Sample, summarize
from bighead_ci.documents.definition import RequestField, SourceDefinition
from bighead_ci.errors import InputError

NOW = datetime(2013, 10, 1, 21, tzinfo=UTC)
FIELDS = {
    "airline": RequestField(type="string", column="carrier"),
    "distance": RequestField(type="int64", required=False),
}
SOURCE = SourceDefinition(
    owner="ops",
    path="flights.parquet",
    timestamp="at",
    event_id="id",
    columns={"id": "int64", "at": "timestamp", "carrier": "string", "distance": "int64"},
)


def write_rows(directory: Path, *rows: tuple[float, str, int | None]) -> Path:
    """Rows of (hours after now, carrier, distance)."""
    path = directory / "flights.parquet"
    times = [NOW + timedelta(hours=hours) for hours, _, _ in rows]
    table = pa.table(
        {
            "id": pa.array(range(len(rows)), pa.int64()),
            "at": pa.array(times, pa.timestamp("us", "UTC")),
            "carrier": pa.array([carrier for _, carrier, _ in rows], pa.string()),
            "distance": pa.array([distance for _, _, distance in rows], pa.int64()),
        }
    )
    pq.write_table(table, path)
    return path


def test_requests_are_the_rows_of_the_next_two_hours_in_order_of_time(tmp_path: Path) -> None:
    """What was before and what comes later is left out; the ends are [now, now + 2 h)."""
    path = write_rows(tmp_path, (-0.1, "AA", 1), (1.5, "BB", 2), (0.0, "CC", 3), (2.0, "DD", 4))
    assert requests_of(FIELDS, "schedule", SOURCE, path, NOW) == [
        {"airline": "CC", "distance": 3},
        {"airline": "BB", "distance": 2},
    ]


def test_a_null_is_left_out_of_the_request(tmp_path: Path) -> None:
    """A caller that does not know a value does not send it."""
    path = write_rows(tmp_path, (1, "AA", None))
    assert requests_of(FIELDS, "schedule", SOURCE, path, NOW) == [{"airline": "AA"}]


def test_a_time_is_sent_as_text_with_its_zone(tmp_path: Path) -> None:
    """JSON has no times."""
    path = write_rows(tmp_path, (1, "AA", 1))
    fields = {"when": RequestField(type="timestamp", column="at")}
    assert requests_of(fields, "schedule", SOURCE, path, NOW) == [{"when": "2013-10-01T22:00:00+00:00"}]


def test_rows_without_time_are_all_sent(tmp_path: Path) -> None:
    """Pictures of digits have no moment."""
    path = write_rows(tmp_path, (-100, "AA", 1), (100, "BB", 2))
    timeless = SOURCE.model_copy(update={"timestamp": None})
    assert [body["airline"] for body in requests_of(FIELDS, "schedule", timeless, path, NOW)] == ["AA", "BB"]


def test_rows_may_be_of_a_longer_time(tmp_path: Path) -> None:
    """A sample of few rows, sent again and again, would tell a canary little about how a model scores."""
    path = write_rows(tmp_path, (1, "AA", 1), (30, "BB", 2), (50, "CC", 3))
    bodies = requests_of(FIELDS, "schedule", SOURCE, path, NOW, timedelta(hours=48))
    assert [body["airline"] for body in bodies] == ["AA", "BB"]


def test_no_rows_to_send_is_said(tmp_path: Path) -> None:
    """The message names the file, the moment, when there are rows, and what to do."""
    path = write_rows(tmp_path, (-1, "AA", 1), (-3, "AA", 1))
    with pytest.raises(InputError) as refused:
        requests_of(FIELDS, "schedule", SOURCE, path, NOW)
    text = str(refused.value)
    assert "flights.parquet has no rows in the 2 hours after 2013-10-01 21:00:00 UTC" in text
    assert "its rows are of 2013-10-01 18:00:00 to 2013-10-01 20:00:00 UTC: --from takes a moment among them" in text
    with pytest.raises(InputError, match="it has none at all"):
        requests_of(FIELDS, "schedule", SOURCE, write_rows(tmp_path), NOW)


@pytest.mark.parametrize("kind", ["parquet", "csv", "json", "lines"])
def test_requests_can_be_the_rows_of_a_file(tmp_path: Path, kind: str) -> None:
    """In its order, whatever their time; text stays text, nulls and columns that are no field are not sent."""
    rows: list[dict[str, Any]] = [
        {"airline": "007", "distance": 12, "x": 1},
        {"airline": "BB", "distance": None, "x": 2},
    ]
    expected: list[dict[str, Any]] = [{"airline": "007", "distance": 12}, {"airline": "BB"}]
    file = tmp_path / f"rows.{'json' if kind == 'lines' else kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif kind == "csv":
        file.write_text("airline,distance,x\n007,12,1\nBB,,2\n")
    else:
        file.write_text(json.dumps(rows) if kind == "json" else "\n".join(map(json.dumps, rows)))
        expected = rows
    assert requests_in(FIELDS, file) == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rows.csv", "distance\n1\n", "has no column airline, which requests need; it has distance"),
        ("rows.csv", "airline,distance\nAA,far\n", "cannot be read: .*conversion error to int64"),
        ("rows.csv", "airline\n", "has no rows: nothing to send"),
        ("rows.parquet", "no such thing", "cannot be read"),
        ("rows.json", "[1]", "cannot be read: row 1 is no object"),
        ("rows.json", "{", "cannot be read"),
        ("rows.json", "[" * 100_000, "cannot be read"),
        ("rows.csv", "airline,airline\nAA,BB\n", "has several columns airline"),
        ("rows.xlsx", "", r"allowed: \.parquet, \.csv, \.json"),
    ],
)
def test_a_file_that_holds_no_requests_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    """With what is wrong in it."""
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        requests_in(FIELDS, tmp_path / name)


def test_values_of_a_file_are_those_of_the_request(tmp_path: Path) -> None:
    """As sources are read: what has an equal is sent as such, and the rest named before anything is sent."""
    fields = {"n": RequestField(type="int64"), "d": RequestField(type="float64", size=2)}
    lists = pa.array([[Decimal("0.1"), None]], pa.list_(pa.decimal128(5, 2)))
    file = tmp_path / "r.parquet"
    pq.write_table(pa.table({"n": pa.array([7], pa.uint8()).dictionary_encode(), "d": lists}), file)
    assert requests_in(fields, file) == [{"n": 7, "d": [0.1, None]}]
    for column, words in ((pa.array([b"7"]), "n is binary; .*int64"), (pa.array([2**63], pa.uint64()), "n.*int64")):
        pq.write_table(pa.table({"n": column, "d": lists}), file)
        with pytest.raises(InputError, match=words):
            requests_in(fields, file)


def test_a_time_without_a_zone_in_a_file_is_utc(tmp_path: Path) -> None:
    """As everywhere in commands: a request needs a zone."""
    fields = {"when": RequestField(type="timestamp")}
    pq.write_table(pa.table({"when": pa.array([1_767_225_600_000_000], pa.timestamp("us"))}), tmp_path / "r.parquet")
    assert requests_in(fields, tmp_path / "r.parquet") == [{"when": "2026-01-01T00:00:00+00:00"}]


def test_what_was_not_answered_with_200_failed() -> None:
    """Status 0 is no answer at all; the share of a version is of all requests."""
    samples = [
        Sample(1.0, "v1", 200, 10.0),
        Sample(2.0, "v2", 200, 20.0),
        Sample(3.0, "v1", 503, 30.0),
        Sample(4.0, "none", 0, 40.0),
    ]
    found = summarize(samples)
    assert (found.requests, found.failed) == (4, 2)
    assert found.by_version == {"v1": 2, "v2": 1, "none": 1}
    assert (found.share("v1"), found.share("v3")) == (50.0, 0.0)
    assert found.p50_ms == 25.0


def test_no_traffic_is_summed_up_as_nothing() -> None:
    """No division by zero."""
    found = summarize([])
    assert (found.requests, found.failed, found.share("v1"), found.p99_ms) == (0, 0, 0.0, 0.0)


@given(
    st.lists(
        st.builds(
            Sample,
            st.floats(0, 1e6),
            st.sampled_from(["v1", "v2", "none"]),
            st.sampled_from([0, 200, 422, 503]),
            st.floats(0, 1e5),
        ),
        min_size=1,
        max_size=50,
    )
)
def test_counts_add_up_and_percentiles_rise(samples: list[Sample]) -> None:
    """Every request is counted once, whatever came back; percentiles lie between the extremes."""
    found = summarize(samples)
    assert sum(found.by_version.values()) == found.requests == len(samples)
    assert sum(found.share(version) for version in found.by_version) == pytest.approx(100.0)
    times = [sample.milliseconds for sample in samples]
    assert min(times) - 0.01 <= found.p50_ms <= found.p95_ms <= found.p99_ms <= max(times) + 0.01
