"""What every offline store does, on small tables whose answer is plain to see."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bighead_ci.documents.base import epoch_us, moment_of
from bighead_ci.documents.definition import (
    Aggregation,
    HashSplit,
    Label,
    RequestField,
    SourceDefinition,
)
from bighead_ci.documents.stage import TimeRanges
from bighead_ci.errors import InputError
from bighead_ci.features.meaning import feature_schema
from bighead_ci.features.online import FeatureReader
from bighead_ci.ports.offline_store import OfflineStore
from bighead_ci.stores.offline import DuckDBOfflineStore
from fakes.context import RecordingOfflineStore
from fakes.hourly_events import HOUR, SET, START, microseconds, model, training_set, write_sources
from fakes.offline_store import MemoryOfflineStore
from fakes.online_store import FakeOnlineStore
from oracles.events import SOURCE, feature_set, write_events

MAKERS: dict[str, Callable[[], OfflineStore]] = {
    "duckdb": DuckDBOfflineStore,
    "memory": MemoryOfflineStore,
    "recording": RecordingOfflineStore,
}


@pytest.fixture(params=sorted(MAKERS))
def store(request: pytest.FixtureRequest) -> OfflineStore:
    return MAKERS[request.param]()


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Any]:
    return write_sources(tmp_path)


def test_rows_are_split_labelled_and_counted(store: OfflineStore, sources: dict[str, Any], tmp_path: Path) -> None:
    """Rows outside the ranges, not mature at `as_of`, or without a label are left out and counted, each once."""
    summary = training_set(store, model(), [SET], sources, tmp_path / "out" / "ts.parquet")
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


def test_features_are_what_was_known_at_each_row(store: OfflineStore, sources: dict[str, Any], tmp_path: Path) -> None:
    """A row sees earlier events only, never its own, never an unknown one; a null key sees nothing."""
    training_set(store, model(), [SET], sources, tmp_path / "ts.parquet")
    rows = pq.read_table(tmp_path / "ts.parquet")
    assert rows["events.n_last_12h"].to_pylist() == [None, None, 1, 4, 5, 6]
    assert rows["events.n_count_12h"].to_pylist() == [0, 0, 2, 4, 5, 6]


def test_a_hash_split_depends_on_the_event_id_alone(
    store: OfflineStore, sources: dict[str, Any], tmp_path: Path
) -> None:
    """The part of a row is the documented hash of its event id, also without time, labels' maturity or features."""
    plain = model(split=HashSplit(kind="hash", evaluate_percent=50), as_of=None, features=[])
    summary = training_set(store, plain, [], sources, tmp_path / "ts.parquet")
    rows = pq.read_table(tmp_path / "ts.parquet")
    expected = [
        "evaluate" if int(hashlib.sha256(str(number).encode()).hexdigest()[:16], 16) % 100 < 50 else "train"
        for number in rows["__event_id"].to_pylist()
    ]
    assert rows["__part"].to_pylist() == expected
    assert summary.outside_split == 0
    assert summary.rows == 8


def test_a_list_input_has_the_size_that_the_model_asks(store: OfflineStore, tmp_path: Path) -> None:
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
            training_set(store, the_model, [], digits, tmp_path / "ts.parquet")
            assert pq.read_table(tmp_path / "ts.parquet")["pixels"].to_pylist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
        else:
            with pytest.raises(InputError, match=r"request\.pixels"):
                training_set(store, the_model, [], digits, tmp_path / "ts.parquet")


def test_a_repeated_event_id_is_refused(store: OfflineStore, sources: dict[str, Any], tmp_path: Path) -> None:
    """Without a unique event id the order is not total."""
    path = sources["events"][1]
    rows = pq.read_table(path)
    pq.write_table(pa.concat_tables([rows, rows.slice(4, 1)]), path)
    with pytest.raises(InputError, match="event_id id"):
        training_set(store, model(), [SET], sources, tmp_path / "ts.parquet")


def test_a_spine_row_without_a_time_is_left_out_and_counted(
    store: OfflineStore, sources: dict[str, Any], tmp_path: Path
) -> None:
    """Also under a hash split: there is no moment to look its features up at."""
    path = sources["spine"][1]
    rows = pq.read_table(path)
    times = pa.array([None, *rows["at"].to_pylist()[1:]], rows.schema.field("at").type)
    pq.write_table(rows.set_column(1, "at", times), path)
    hashed = model(split=HashSplit(kind="hash", evaluate_percent=50))
    summary = training_set(store, hashed, [SET], sources, tmp_path / "ts.parquet")
    assert (summary.outside_split, summary.immature, summary.unlabelled, summary.rows) == (1, 3, 2, 6)
    assert 0 not in pq.read_table(tmp_path / "ts.parquet")["__event_id"].to_pylist()


def test_an_infinite_time_is_not_counted(store: OfflineStore, tmp_path: Path) -> None:
    """In a column of times, as infinities in a column of numbers: it is as good as null."""
    events = [
        {"id": number, "at": microseconds(number), "known": known, "k": "UA", "n": 0, "x": 0.5, "s": "a"}
        for number, known in enumerate([0, 2**63 - 1, -(2**63) + 1, None, 5])
    ]
    timed = SOURCE.model_copy(update={"known_at": None})
    counted = feature_set(Aggregation(column="known", operations=["count"], windows=["12h"]))
    sources = {"events": (timed, write_events(tmp_path / "events.parquet", events))}
    asked = counted.model_copy(update={"source": timed})
    found = store.features_at(asked, sources, {"k": ["UA"]}, [microseconds(8)])
    assert found == {"events.known_count_12h": [2]}


def test_a_label_without_a_time_was_never_known(store: OfflineStore, sources: dict[str, Any], tmp_path: Path) -> None:
    """Where a source says nothing else, its rows are known at their time: one that has none tells nobody anything."""
    definition, path = sources["events"]
    rows = pq.read_table(path)
    times = pa.array([None, *rows["at"].to_pylist()[1:]], rows.schema.field("at").type)
    pq.write_table(rows.set_column(rows.schema.get_field_index("at"), "at", times), path)
    untold = {**sources, "events": (definition.model_copy(update={"known_at": None}), path)}
    summary = training_set(store, model(), [SET], untold, tmp_path / "ts.parquet")
    assert 0 not in pq.read_table(tmp_path / "ts.parquet")["__event_id"].to_pylist()
    assert summary.unlabelled == 2


def test_an_infinite_label_counts_as_none(store: OfflineStore, sources: dict[str, Any], tmp_path: Path) -> None:
    """Like NaN: it is no class."""
    path = sources["events"][1]
    rows = pq.read_table(path)
    values = [float("inf"), float("nan"), *range(2, 10)]
    pq.write_table(rows.set_column(rows.schema.get_field_index("x"), "x", pa.array(values, pa.float64())), path)
    labelled = model(label=Label(source="events", column="x", offset="2h"), features=[])
    summary = training_set(store, labelled, [], sources, tmp_path / "ts.parquet")
    assert pq.read_table(tmp_path / "ts.parquet")["__label"].to_pylist() == [2, 5, 6, 7, 8]
    assert summary.unlabelled == 3


def test_events_that_no_query_can_see_change_nothing(store: OfflineStore, tmp_path: Path) -> None:
    """Before the first query's window and from the last query on, the scan leaves events out, to the microsecond."""
    first, last = microseconds(20), microseconds(30)
    left = first - 12 * 3_600_000_000
    times = [left - 1, left, first - 1, first, last - 1, last, last + 1]
    events = [
        {"id": number, "at": at, "known": at, "k": "UA", "n": number, "x": 0.5, "s": "a"}
        for number, at in enumerate(times)
    ]
    sources = {"events": (SOURCE, write_events(tmp_path / "events.parquet", events))}
    found = store.features_at(SET, sources, {"k": ["UA"] * 2}, [last, first])
    assert found == {"events.n_last_12h": [4, 2], "events.n_count_12h": [3, 2]}


def test_what_was_materialised_answers_as_the_store_itself(store: OfflineStore, sources: dict[str, Any]) -> None:
    """Read online, a key has the features of what was known before the moment; each key with events is one."""
    online = FakeOnlineStore()
    until = START + 7 * HOUR
    assert store.materialize([SET], sources, until, online) == 1
    reader = FeatureReader(online)
    reader.open(feature_schema(SET, None))
    for key in ("UA", "AA", None):
        for hour in (7, 12, 18, 40):
            found = store.features_at(SET, sources, {"k": [key]}, [microseconds(hour)], known_before=epoch_us(until))
            fetched = reader.fetch({SET.id: {"k": key}}, microseconds(hour))
            assert fetched == {name: values[0] for name, values in found.items()}


def test_materialising_again_writes_nothing(store: OfflineStore, sources: dict[str, Any]) -> None:
    """The same set, moment and data are published once."""
    online = FakeOnlineStore()
    for _ in range(2):
        assert store.materialize([SET], sources, START + 7 * HOUR, online) == 1
        writes = online.writes
        before = {table: dict(rows) for table, rows in online.rows.items()}
    store.materialize([SET], sources, START + 7 * HOUR, online)
    assert (online.writes, online.rows) == (writes, before)


def test_every_store_publishes_the_same_bytes(sources: dict[str, Any]) -> None:
    """What one store wrote, another may read, compare or add to."""
    published = []
    for maker in MAKERS.values():
        online = FakeOnlineStore()
        maker().materialize([SET], sources, START + 7 * HOUR, online)
        published.append(online.rows)
    assert published[0] == published[1]


def test_a_source_without_the_column_is_refused(store: OfflineStore, sources: dict[str, Any], tmp_path: Path) -> None:
    """The column is named, and nothing is written."""
    path = sources["events"][1]
    pq.write_table(pq.read_table(path).drop_columns(["n"]), path)
    online = FakeOnlineStore()
    with pytest.raises(InputError, match=r"\bn\b"):
        store.materialize([SET], sources, START, online)
    with pytest.raises(InputError, match=r"\bn\b"):
        training_set(store, model(), [SET], sources, tmp_path / "ts.parquet")
    assert online.rows == {}
    assert not (tmp_path / "ts.parquet").exists()


def test_the_newest_row_is_the_newest_that_was_known(store: OfflineStore, tmp_path: Path) -> None:
    """Neither what became known later nor what never did counts; without rows there is none."""
    rows = [
        {"id": number, "at": at, "known": known, "k": "UA", "n": 1, "x": 0.0, "s": None}
        for number, (at, known) in enumerate([(1_000, 1_000), (3_000, 2_000), (2_000, 9_000), (4_000, None)])
    ]
    file = write_events(tmp_path / "events.parquet", rows)
    for before, newest in ((10_000, 3_000), (2_000, 1_000), (1_000, None)):
        found = store.newest(SOURCE, file, moment_of(before))
        assert (found and epoch_us(found)) == newest


def test_an_infinite_time_is_in_no_window_and_leaves_the_other_times_exact(store: OfflineStore, tmp_path: Path) -> None:
    """Parquet can hold DuckDB's infinities; beside one, the latest times there are still count to the microsecond."""
    late = 2**60 + 1
    events = [
        {"id": number, "at": at, "known": 0, "k": "UA", "n": number, "x": 0.5, "s": "a"}
        for number, at in enumerate([late, 2**63 - 1, -(2**63) + 1])
    ]
    sources = {"events": (SOURCE, write_events(tmp_path / "events.parquet", events))}
    found = store.features_at(SET, sources, {"k": ["UA"] * 3}, [late, late + 1, 2**63 - 1])
    assert found["events.n_count_12h"] == [0, 1, 0]


@pytest.mark.parametrize("known", [2**63 - 1, -(2**63) + 1])
def test_a_label_that_is_known_at_an_infinite_time_never_is(store: OfflineStore, tmp_path: Path, known: int) -> None:
    """DuckDB's infinities are no moments: such a label is none, at whichever end."""
    sources = write_sources(tmp_path)
    path = sources["events"][1]
    rows = pq.read_table(path)
    times = rows["known"].cast(pa.int64()).to_pylist()
    changed = pa.array([known, *times[1:]], pa.int64()).cast(rows.schema.field("known").type)
    pq.write_table(rows.set_column(rows.schema.get_field_index("known"), "known", changed), path)
    summary = training_set(store, model(as_of=None), [SET], sources, tmp_path / "ts.parquet")
    assert 0 not in pq.read_table(tmp_path / "ts.parquet")["__event_id"].to_pylist()
    assert summary.unlabelled == 5


def test_before_1970_a_row_without_a_label_row_is_unlabelled(store: OfflineStore, tmp_path: Path) -> None:
    """A negative `as_of` makes no label that is not there immature."""
    back = timedelta(days=365 * 60)
    sources = write_sources(tmp_path)
    for _, path in sources.values():
        rows = pq.read_table(path)
        for name in {"at", "known"} & set(rows.column_names):
            moved = pc.subtract(rows[name], pa.scalar(back, pa.duration("us")))
            rows = rows.set_column(rows.schema.get_field_index(name), name, moved)
        pq.write_table(rows.filter(pc.not_equal(rows["id"], 5)) if path.name == "events.parquet" else rows, path)
    split = TimeRanges(
        train=(START - back, START - back + 4 * HOUR), evaluate=(START - back + 5 * HOUR, START - back + 24 * HOUR)
    )
    spec = model(as_of=START - back + 10 * HOUR, split=split)
    summary = training_set(store, spec, [SET], sources, tmp_path / "ts.parquet")
    assert pq.read_table(tmp_path / "ts.parquet")["__event_id"].to_pylist() == [0, 1, 2, 6, 8]
    assert (summary.outside_split, summary.immature, summary.unlabelled) == (1, 3, 3)
