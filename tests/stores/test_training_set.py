"""Training sets from small tables whose answer is plain to see."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bighead_ci.documents.definition import (
    Aggregation,
    FeatureUse,
    HashSplit,
    Label,
    RequestField,
    SourceDefinition,
    VersionedFeatureSet,
)
from bighead_ci.documents.record import TrainingSetSummary
from bighead_ci.documents.stage import TimeRanges, TrainingSetSpec
from bighead_ci.errors import InputError
from bighead_ci.stores.offline import DuckDBOfflineStore
from bighead_ci.stores.scan import Limits
from oracles.events import SOURCE, feature_set, write_events

START = datetime(2013, 9, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SET = feature_set(Aggregation(column="n", operations=["last", "count"], windows=["12h"]))
SPINE = SourceDefinition(
    owner="tests",
    path="spine.parquet",
    columns={"id": "int64", "at": "timestamp", "k": "string", "d": "int64", "place": "string"},
    timestamp="at",
    event_id="id",
)


def model(**changes: Any) -> TrainingSetSpec:
    spec = TrainingSetSpec(
        model="m",
        version="v1",
        spine="spine",
        label=Label(source="events", column="n", offset="2h"),
        split=TimeRanges(train=(START, START + 4 * HOUR), evaluate=(START + 5 * HOUR, START + 24 * HOUR)),
        as_of=START + 10 * HOUR,
        request={
            "carrier": RequestField(type="string", column="k", use="lookup"),
            "distance": RequestField(type="float64", column="d"),
        },
        slices=["carrier", "place"],
        features=[FeatureUse(set="events/v1", keys={"k": "carrier"})],
        sets=[],
        sources={},
    )
    return spec.model_copy(update=changes)


def training_set(
    store: DuckDBOfflineStore,
    spec: TrainingSetSpec,
    sets: list[VersionedFeatureSet],
    sources: Mapping[str, tuple[SourceDefinition, Path]],
    destination: Path,
) -> TrainingSetSummary:
    """Compute a training set of the sources' files."""
    definitions = {name: definition for name, (definition, _) in sources.items()}
    told = spec.model_copy(update={"sets": sets, "sources": definitions})
    return store.training_set(told, {name: path for name, (_, path) in sources.items()}, destination)


def microseconds(hours: float) -> int:
    return int((START + hours * HOUR).timestamp()) * 1_000_000


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Any]:
    """Events 0..9, one an hour; n is the hour; known half an hour later; event 3 never known, 7's label null."""
    events = [
        {
            "id": hour,
            "at": microseconds(hour),
            "known": None if hour == 3 else microseconds(hour + 0.5),
            "k": "UA",
            "n": None if hour == 7 else hour,
        }
        for hour in range(10)
    ]
    spine = pa.table(
        {
            "id": pa.array(range(12), pa.int64()),
            "at": pa.array([microseconds(hour) for hour in range(12)], pa.timestamp("us", tz="UTC")),
            "k": pa.array(["UA", None] + ["UA"] * 9 + ["AA"]),
            "d": pa.array(range(0, 120, 10), pa.int64()),
            "place": pa.array(["x", "y"] * 6),
        }
    )
    pq.write_table(spine, tmp_path / "spine.parquet")
    return {
        "events": (SOURCE, write_events(tmp_path / "events.parquet", events)),
        "spine": (SPINE, tmp_path / "spine.parquet"),
    }


def test_rows_are_split_labelled_and_counted(sources: dict[str, Any], tmp_path: Path) -> None:
    """Rows outside the ranges, not mature at `as_of`, or without a label are left out and counted, each once."""
    summary = training_set(DuckDBOfflineStore(), model(), [SET], sources, tmp_path / "out" / "ts.parquet")
    # Hour 4 is in neither range; 9, 10 and 11 are not mature at hour 10; 3 was never known; 7 has no label.
    assert (summary.rows, summary.train_rows, summary.evaluate_rows) == (6, 3, 3)
    assert (summary.outside_split, summary.immature, summary.unlabelled) == (1, 3, 2)
    rows = pq.read_table(tmp_path / "out" / "ts.parquet")
    assert rows.column_names == [
        "__event_id", "__timestamp", "__part", "__label", "carrier", "place", "distance",
        "events.n_last_12h", "events.n_count_12h",
    ]  # fmt: skip
    assert rows["__event_id"].to_pylist() == [0, 1, 2, 5, 6, 8]
    assert rows["__part"].to_pylist() == ["train"] * 3 + ["evaluate"] * 3
    assert rows["__label"].to_pylist() == [0, 1, 2, 5, 6, 8]
    assert rows["distance"].to_pylist() == [0.0, 10.0, 20.0, 50.0, 60.0, 80.0]
    assert rows.schema.field("__timestamp").type == pa.timestamp("us", tz="UTC")
    assert summary.columns == ["distance", "events.n_last_12h", "events.n_count_12h"]


def test_features_are_what_was_known_at_each_row(sources: dict[str, Any], tmp_path: Path) -> None:
    """A row sees earlier events only, never its own, never an unknown one; a null key sees nothing."""
    training_set(DuckDBOfflineStore(), model(), [SET], sources, tmp_path / "ts.parquet")
    rows = pq.read_table(tmp_path / "ts.parquet")
    assert rows["events.n_last_12h"].to_pylist() == [None, None, 1, 4, 5, 6]
    assert rows["events.n_count_12h"].to_pylist() == [0, 0, 2, 4, 5, 6]


def test_the_same_input_gives_the_same_bytes_whatever_the_chunks(sources: dict[str, Any], tmp_path: Path) -> None:
    """Neither a second run nor another chunk size, thread count or row order of the files changes the file's digest."""
    digests = set()
    for number, limits in enumerate([Limits(), Limits(), Limits(chunk_events=1, threads=1), Limits(memory="64MB")]):
        if number == 1:
            for _, path in sources.values():
                rows = pq.read_table(path)
                pq.write_table(rows.take(list(reversed(range(rows.num_rows)))), path)
        training_set(DuckDBOfflineStore(limits), model(), [SET], sources, tmp_path / "ts.parquet")
        digests.add(hashlib.sha256((tmp_path / "ts.parquet").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_hash_split_depends_on_the_event_id_alone(sources: dict[str, Any], tmp_path: Path) -> None:
    """The part of a row is the documented hash of its event id, also without time, labels' maturity or features."""
    plain = model(split=HashSplit(kind="hash", evaluate_percent=50), as_of=None, features=[])
    summary = training_set(DuckDBOfflineStore(), plain, [], sources, tmp_path / "ts.parquet")
    rows = pq.read_table(tmp_path / "ts.parquet")
    expected = [
        "evaluate" if int(hashlib.sha256(str(number).encode()).hexdigest()[:16], 16) % 100 < 50 else "train"
        for number in rows["__event_id"].to_pylist()
    ]
    assert rows["__part"].to_pylist() == expected
    assert summary.outside_split == 0
    assert summary.rows == 8


def test_a_list_input_has_the_size_that_the_model_asks(tmp_path: Path) -> None:
    """Lists come out as fixed-size lists; another length is an input error that names the field."""
    source = SourceDefinition(
        owner="tests",
        path="p",
        columns={"id": "int64", "pixels": "float64", "y": "int64"},
        sizes={"pixels": 3},
        event_id="id",
    )
    pq.write_table(
        pa.table({"id": [1, 2], "pixels": pa.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), "y": [0, 1]}),
        tmp_path / "p.parquet",
    )
    digits = {"digits": (source, tmp_path / "p.parquet")}
    changes: dict[str, Any] = {
        "spine": "digits",
        "label": Label(source="digits", column="y"),
        "split": HashSplit(kind="hash", evaluate_percent=50),
        "as_of": None,
        "features": [],
        "slices": [],
    }
    for size, fits in ((3, True), (4, False)):
        the_model = model(**changes, request={"pixels": RequestField(type="float64", size=size)})
        if fits:
            training_set(DuckDBOfflineStore(), the_model, [], digits, tmp_path / "ts.parquet")
            assert pq.read_table(tmp_path / "ts.parquet")["pixels"].to_pylist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
        else:
            with pytest.raises(InputError, match=r"request\.pixels"):
                training_set(DuckDBOfflineStore(), the_model, [], digits, tmp_path / "ts.parquet")


def test_every_problem_of_the_sources_is_told_at_once(sources: dict[str, Any], tmp_path: Path) -> None:
    """A missing file, a misspelt column and a wrong type are all named, with what is there and what is closest."""
    definition = SPINE.model_copy(update={"columns": {**SPINE.columns, "d": "string", "plaice": "string"}})
    broken = {"events": (SOURCE, tmp_path / "event.parquet"), "spine": (definition, sources["spine"][1])}
    asking = model(slices=["plaice"])
    with pytest.raises(InputError) as raised:
        training_set(DuckDBOfflineStore(), asking, [SET], broken, tmp_path / "ts.parquet")
    problems = {(problem.subject, problem.suggestion) for problem in raised.value.problems}
    assert problems == {("path", "events.parquet"), ("columns.plaice", "place"), ("columns.d", None)}
    assert not (tmp_path / "ts.parquet").exists()


def test_a_repeated_event_id_is_refused(sources: dict[str, Any], tmp_path: Path) -> None:
    """Without a unique event id the order is not total."""
    path = sources["events"][1]
    rows = pq.read_table(path)
    pq.write_table(pa.concat_tables([rows, rows.slice(4, 1)]), path)
    with pytest.raises(InputError, match="event_id id = 4 in 2 rows"):
        training_set(DuckDBOfflineStore(), model(), [SET], sources, tmp_path / "ts.parquet")


def test_a_spine_row_without_a_time_is_left_out_and_counted(sources: dict[str, Any], tmp_path: Path) -> None:
    """Also under a hash split: there is no moment to look its features up at."""
    path = sources["spine"][1]
    rows = pq.read_table(path)
    times = pa.array([None, *rows["at"].to_pylist()[1:]], rows.schema.field("at").type)
    pq.write_table(rows.set_column(1, "at", times), path)
    hashed = model(split=HashSplit(kind="hash", evaluate_percent=50))
    summary = training_set(DuckDBOfflineStore(), hashed, [SET], sources, tmp_path / "ts.parquet")
    assert (summary.outside_split, summary.immature, summary.unlabelled, summary.rows) == (1, 3, 2, 6)
    assert 0 not in pq.read_table(tmp_path / "ts.parquet")["__event_id"].to_pylist()


def test_an_infinite_label_counts_as_none(sources: dict[str, Any], tmp_path: Path) -> None:
    """Like NaN: it is no class."""
    path = sources["events"][1]
    rows = pq.read_table(path)
    values = [float("inf"), float("nan"), *range(2, 10)]
    pq.write_table(rows.set_column(rows.schema.get_field_index("x"), "x", pa.array(values, pa.float64())), path)
    labelled = model(label=Label(source="events", column="x", offset="2h"), features=[])
    summary = training_set(DuckDBOfflineStore(), labelled, [], sources, tmp_path / "ts.parquet")
    assert pq.read_table(tmp_path / "ts.parquet")["__label"].to_pylist() == [2, 5, 6, 7, 8]
    assert summary.unlabelled == 3


def test_a_damaged_data_page_is_the_sources_fault(tmp_path: Path) -> None:
    """The footer is whole, a page is not: the file is named, and it is no fault of the engine."""
    events = [
        {"id": number, "at": microseconds(0), "known": microseconds(0), "k": "UA", "n": number, "x": 0.5, "s": "a"}
        for number in range(5000)
    ]
    path = write_events(tmp_path / "events.parquet", events)
    data = bytearray(path.read_bytes())
    data[100:140] = b"\xff" * 40
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"cannot be read: .*events\.parquet"):
        DuckDBOfflineStore().features_at(SET, {"events": (SOURCE, path)}, {"k": ["UA"]}, [microseconds(1)])


def test_an_infinite_time_is_in_no_window_and_leaves_the_other_times_exact(tmp_path: Path) -> None:
    """Parquet can hold DuckDB's infinities; beside one, the latest times there are still count to the microsecond."""
    late = 2**60 + 1
    events = [
        {"id": number, "at": at, "known": 0, "k": "UA", "n": number, "x": 0.5, "s": "a"}
        for number, at in enumerate([late, 2**63 - 1, -(2**63) + 1])
    ]
    sources = {"events": (SOURCE, write_events(tmp_path / "events.parquet", events))}
    found = DuckDBOfflineStore().features_at(SET, sources, {"k": ["UA"] * 3}, [late, late + 1, 2**63 - 1])
    assert found["events.n_count_12h"] == [0, 1, 0]


def test_events_that_no_query_can_see_change_nothing(tmp_path: Path) -> None:
    """Before the first query's window and from the last query on, the scan leaves events out, to the microsecond."""
    first, last = microseconds(20), microseconds(30)
    left = first - 12 * 3_600_000_000
    times = [left - 1, left, first - 1, first, last - 1, last, last + 1]
    events = [
        {"id": number, "at": at, "known": at, "k": "UA", "n": number, "x": 0.5, "s": "a"}
        for number, at in enumerate(times)
    ]
    sources = {"events": (SOURCE, write_events(tmp_path / "events.parquet", events))}
    found = DuckDBOfflineStore().features_at(SET, sources, {"k": ["UA"] * 2}, [last, first])
    assert found == {"events.n_last_12h": [4, 2], "events.n_count_12h": [3, 2]}
