"""What serving fetches is what training computed, byte for byte."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bighead_ci.documents.definition import Aggregation
from bighead_ci.errors import InputError, RetryError
from bighead_ci.features.materialized import SETS, STAMP
from bighead_ci.features.meaning import feature_schema
from bighead_ci.features.online import FeatureReader
from bighead_ci.stores.limits import Limits
from bighead_ci.stores.offline import DuckDBOfflineStore
from fakes.online_store import FakeOnlineStore
from oracles.events import SOURCE, feature_set, write_events

HOUR, DAY = 3_600_000_000, 86_400_000_000
UNTIL = 1_380_585_600_000_000 + 10 * HOUR
MOMENT = datetime(2013, 10, 1, 10, tzinfo=UTC)
SET = feature_set(
    Aggregation(
        column="x", operations=["count", "sum", "mean", "variance", "min", "max"], windows=["1h", "13d", "12h"]
    ),
    Aggregation(column="n", operations=["first", "last", "sum"], windows=["1h", "2d"], hop="exact", default=0.0),
    Aggregation(column="s", operations=["first", "last", "min", "max", "count"], windows=["1d"]),
)
STORE = DuckDBOfflineStore(Limits(threads=1, most_events=6))

edges = [
    UNTIL + shift - window + step
    for shift in (0, 1, HOUR - 1, 12 * HOUR)
    for window in (0, HOUR, 12 * HOUR, 13 * DAY, 2 * DAY, DAY)
    for step in (-1, 0, 1)
]
times = st.one_of(st.sampled_from(edges), st.integers(UNTIL - 14 * DAY, UNTIL + DAY))
rows = st.fixed_dictionaries(
    {
        "at": times,
        "known": st.one_of(st.none(), times),
        "k": st.sampled_from(["UA", "AA", None]),
        "n": st.one_of(st.none(), st.integers(-5, 5)),
        "x": st.one_of(st.none(), st.sampled_from([0.1, -0.0, float("nan"), 1e16]), st.floats(-1e3, 1e3)),
        "s": st.one_of(st.none(), st.sampled_from(["a", "b", "é"])),
    }
)


def bits(value: Any) -> Any:
    return struct.pack("<d", value) if isinstance(value, float) else value


def numbered(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    timely = [event | {"known": event["at"]} if number % 2 else event for number, event in enumerate(events)]
    return [event | {"id": number} for number, event in enumerate(timely)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(rows, max_size=14),
    st.lists(st.one_of(st.just(0), st.integers(0, 3 * DAY), st.just(12 * HOUR)), min_size=1, max_size=4),
)
def test_fetch_equals_the_offline_computation_at_every_later_moment(
    events: list[dict[str, Any]], delays: list[int]
) -> None:
    """For any moment from `until` on, fetch gives the bytes of the offline result over what was known by then."""
    with TemporaryDirectory() as directory:
        sources = {"events": (SOURCE, write_events(Path(directory) / "events.parquet", numbered(events)))}
        online = FakeOnlineStore()
        STORE.materialize([SET], sources, MOMENT, online)
        reader = FeatureReader(online)
        reader.open(feature_schema(SET, None))
        queries = [(key, UNTIL + delay) for key in ("UA", "AA", "never seen", None) for delay in delays]
        offline = STORE.features_at(
            SET, sources, {"k": [key for key, _ in queries]}, [moment for _, moment in queries], known_before=UNTIL
        )
    for number, (key, moment) in enumerate(queries):
        online_values = reader.fetch({SET.id: {"k": key}}, moment)
        assert {name: bits(value) for name, value in online_values.items()} == {
            name: bits(values[number]) for name, values in offline.items()
        }


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Any]:
    events = [
        {"at": UNTIL - 10 * number, "known": UNTIL - 10 * number, "k": "UA", "n": number, "x": 0.1, "s": "a"}
        for number in range(1, 9)
    ]
    return {
        "events": (
            SOURCE,
            write_events(tmp_path / "events.parquet", [event | {"id": n} for n, event in enumerate(events)]),
        )
    }


def test_publishing_again_writes_nothing_and_a_later_moment_gives_the_same_bytes_as_a_fresh_store(
    sources: dict[str, Any],
) -> None:
    """Publishing is idempotent; moving on leaves what a new store would hold."""
    online, fresh = FakeOnlineStore(), FakeOnlineStore()
    assert STORE.materialize([SET], sources, MOMENT, online) == 1
    before, writes = {table: dict(rows) for table, rows in online.rows.items()}, online.writes
    assert STORE.materialize([SET], sources, MOMENT, online) == 1
    assert (online.rows, online.writes) == (before, writes)
    later = MOMENT + timedelta(hours=1)
    STORE.materialize([SET], sources, later, online)
    STORE.materialize([SET], sources, later, fresh)
    assert online.rows[f"{SET.id}#1"] == fresh.rows[f"{SET.id}#0"]
    assert FeatureReader(online).until(SET.id) == UNTIL + HOUR


def test_a_crash_while_publishing_leaves_the_old_state_to_readers(sources: dict[str, Any]) -> None:
    """Rows that were written without the swap of the set's row are not seen, and publishing again repairs."""
    online = FakeOnlineStore()
    STORE.materialize([SET], sources, MOMENT, online)
    reader = FeatureReader(online)
    before = reader.fetch({SET.id: {"k": "UA"}}, UNTIL + HOUR)
    swapped = online.rows[SETS]
    STORE.materialize([SET], sources, MOMENT + timedelta(minutes=50), online)
    online.rows[SETS] = swapped
    assert reader.fetch({SET.id: {"k": "UA"}}, UNTIL + HOUR) == before
    STORE.materialize([SET], sources, MOMENT + timedelta(minutes=55), online)
    assert reader.until(SET.id) == UNTIL + 55 * 60_000_000


def test_a_reader_that_is_overtaken_reads_the_new_state(sources: dict[str, Any]) -> None:
    """A row of another publication than the one that was looked up is never used."""
    online = FakeOnlineStore()
    STORE.materialize([SET], sources, MOMENT, online)
    reader = FeatureReader(online)
    get = online.get_many
    overtaken: list[str] = []

    def overtake(keys: Any) -> list[bytes | None]:
        if keys[-1][0] == f"{SET.id}#0" and not overtaken:
            overtaken.append(keys[-1][0])
            STORE.materialize([SET], sources, MOMENT + timedelta(hours=1), online)
            STORE.materialize([SET], sources, MOMENT + timedelta(hours=2), online)
        return get(keys)

    reader.until(SET.id)
    online.get_many = overtake  # type: ignore[method-assign] # a writer strikes between two reads
    values = reader.fetch({SET.id: {"k": "UA"}}, UNTIL + 2 * HOUR)
    assert overtaken
    assert values["events.x_count_12h"] == 8
    assert reader.until(SET.id) == UNTIL + 2 * HOUR


def test_many_rows_are_fetched_as_each_alone(sources: dict[str, Any]) -> None:
    """Also those whose key is null or unknown, whatever they are read in; a later publication is not seen by them."""
    online = FakeOnlineStore()
    STORE.materialize([SET], sources, MOMENT, online)
    reader = FeatureReader(online)
    reader.open(feature_schema(SET, None))
    keys = [{SET.id: {"k": key}} for key in ("UA", None, "never seen", "UA")]
    alone = [reader.fetch(key, UNTIL + HOUR) for key in keys]
    together = reader.fetch_many(keys, UNTIL + HOUR)
    assert [together.read(3), together.read(3), together.read(3)] == [True, False, False]
    first = next(together)
    STORE.materialize([SET], sources, MOMENT + timedelta(minutes=50), online)
    assert reader.fetch(keys[0], UNTIL + HOUR)["events.x_count_12h"] == 8
    assert [first, *together] == alone
    assert together.known_until == {SET.id: UNTIL}
    nothing = reader.fetch_many([], UNTIL + HOUR)
    assert not nothing.read(3)
    assert list(nothing) == []


def test_rows_that_a_publication_overtakes_are_all_read_again(sources: dict[str, Any]) -> None:
    """None is of another moment than the others, also where somebody else has read the new one already."""
    online = FakeOnlineStore()
    STORE.materialize([SET], sources, MOMENT, online)
    reader = FeatureReader(online)
    keys = [{SET.id: {"k": key}} for key in ("UA", "never seen", "UA")]
    together = reader.fetch_many(keys, UNTIL + HOUR)
    assert together.read(1)
    STORE.materialize([SET], sources, MOMENT + timedelta(hours=1), online)
    alone = [reader.fetch(key, UNTIL + HOUR) for key in keys]
    assert [together.read(1), together.read(2), together.read(1)] == [True, True, False]
    assert list(together) == alone
    assert together.known_until == {SET.id: UNTIL + HOUR}


def test_rows_that_are_overtaken_again_and_again_are_given_up(sources: dict[str, Any]) -> None:
    """The caller is told to come again; nobody waits for a publisher that never rests."""
    online = FakeOnlineStore()
    STORE.materialize([SET], sources, MOMENT, online)
    together = FeatureReader(online).fetch_many([{SET.id: {"k": "UA"}}] * 2, UNTIL + 24 * HOUR)

    def publish_between_reads() -> None:
        for minutes in range(1, 20):
            together.read(1)
            STORE.materialize([SET], sources, MOMENT + timedelta(minutes=minutes), online)
            together.read(1)

    with pytest.raises(RetryError, match="kept being republished"):
        publish_between_reads()


def test_a_reader_knows_the_moment_of_what_it_read_last(sources: dict[str, Any]) -> None:
    """Not that of a publication which came after the reading."""
    online = FakeOnlineStore()
    STORE.materialize([SET], sources, MOMENT, online)
    reader = FeatureReader(online)
    reader.open(feature_schema(SET, ["x_count_12h"]))
    reader.fetch({SET.id: {"k": "UA"}}, UNTIL + HOUR)
    STORE.materialize([SET], sources, MOMENT + timedelta(hours=1), online)
    assert reader.known_until() == {SET.id: UNTIL}
    reader.fetch({SET.id: {"k": "UA"}}, UNTIL + HOUR)
    assert reader.known_until() == {SET.id: UNTIL + HOUR}


def test_opening_refuses_a_set_that_means_something_else(sources: dict[str, Any]) -> None:
    """A changed aggregation has another digest; serving the old one's numbers would be silent skew."""
    online = FakeOnlineStore()
    STORE.materialize([SET], sources, MOMENT, online)
    other = feature_set(Aggregation(column="x", operations=["count"], windows=["1h"], hop="exact"))
    with pytest.raises(InputError, match="means something else"):
        FeatureReader(online).open(feature_schema(other, None))
    with pytest.raises(InputError, match="never published"):
        FeatureReader(FakeOnlineStore()).open(feature_schema(SET, None))


def test_only_the_columns_of_the_opened_schema_are_fetched_in_its_order(sources: dict[str, Any]) -> None:
    """A model that takes two features gets two."""
    online = FakeOnlineStore()
    STORE.materialize([SET], sources, MOMENT, online)
    reader = FeatureReader(online)
    reader.open(feature_schema(SET, ["n_last_2d", "x_count_1h"]))
    assert list(reader.fetch({SET.id: {"k": "UA"}}, UNTIL).items()) == [
        ("events.n_last_2d", 1),
        ("events.x_count_1h", 8),
    ]


@pytest.mark.parametrize(
    ("keys", "moment", "message"),
    [
        ({}, UNTIL, "key k is missing"),
        ({"k": 3}, UNTIL, "must be str, got int"),
        ({"k": "UA"}, UNTIL - 1, "earlier moment"),
    ],
)
def test_a_wrong_question_is_refused(sources: dict[str, Any], keys: dict[str, Any], moment: int, message: str) -> None:
    """A missing key, a key of another type or a moment before the publication: an error, never a wrong number."""
    online = FakeOnlineStore()
    STORE.materialize([SET], sources, MOMENT, online)
    with pytest.raises(InputError, match=message):
        FeatureReader(online).fetch({SET.id: keys}, moment)


def test_events_that_were_known_before_they_happen_enter_and_leave_windows_on_time(tmp_path: Path) -> None:
    """An event ahead of the publication counts from just after its timestamp until the window's left end passes it."""
    events = [
        {"id": n, "at": UNTIL + HOUR + n, "known": UNTIL - 1, "k": "UA", "n": n, "x": 1.0, "s": None} for n in (0, 1)
    ]
    sources = {"events": (SOURCE, write_events(tmp_path / "events.parquet", events))}
    online = FakeOnlineStore()
    the_set = feature_set(Aggregation(column="n", operations=["count"], windows=["1h"], hop="exact"))
    STORE.materialize([the_set], sources, MOMENT, online)
    reader = FeatureReader(online)
    moments = [
        UNTIL + HOUR,
        UNTIL + HOUR + 1,
        UNTIL + HOUR + 2,
        UNTIL + 2 * HOUR,
        UNTIL + 2 * HOUR + 1,
        UNTIL + 2 * HOUR + 2,
    ]
    counts = [reader.fetch({the_set.id: {"k": "UA"}}, moment)["events.n_count_1h"] for moment in moments]
    assert counts == [0, 1, 2, 2, 1, 0]


def test_publishing_a_reordered_definition_changes_no_value(sources: dict[str, Any]) -> None:
    """The order of aggregations has no meaning: rows written by one order are never read by another."""
    parts = [Aggregation(column="x", operations=["sum"], windows=["1h"], hop="exact"), SET.definition.aggregations[1]]
    online = FakeOnlineStore()
    for ordered in (feature_set(*parts), feature_set(*reversed(parts))):
        STORE.materialize([ordered], sources, MOMENT, online)
        fetched = FeatureReader(online).fetch({SET.id: {"k": "UA"}}, UNTIL)
        assert (fetched["events.x_sum_1h"], fetched["events.n_sum_1h"]) == (0.8, 36)


def test_half_a_surrogate_pair_is_a_key_that_nobody_stored(sources: dict[str, Any]) -> None:
    """A caller's JSON can spell one; the answer is that of an unknown key."""
    online = FakeOnlineStore()
    STORE.materialize([SET], sources, MOMENT, online)
    reader = FeatureReader(online)
    assert reader.fetch({SET.id: {"k": "\ud800"}}, UNTIL) == reader.fetch({SET.id: {"k": "never seen"}}, UNTIL)


@pytest.mark.parametrize(
    ("table", "key", "damaged"),
    [
        (SETS, SET.id.encode(), b'{"half'),
        (f"{SET.id}#0", STAMP, b"[1"),
        (f"{SET.id}#0", STAMP, None),
    ],
)
def test_a_damaged_publication_is_refused_and_publishing_again_repairs_it(
    sources: dict[str, Any], table: str, key: bytes, damaged: bytes | None
) -> None:
    """Even at the same moment: what is damaged does not count as published."""
    online = FakeOnlineStore()
    STORE.materialize([SET], sources, MOMENT, online)
    right = FeatureReader(online).fetch({SET.id: {"k": "UA"}}, UNTIL)
    if damaged is None:
        del online.rows[table][key]
    else:
        online.rows[table][key] = damaged
    with pytest.raises(RetryError, match="damaged"):
        FeatureReader(online).open(feature_schema(SET, None))
    STORE.materialize([SET], sources, MOMENT, online)
    assert FeatureReader(online).fetch({SET.id: {"k": "UA"}}, UNTIL) == right


def test_a_cut_row_is_refused_wherever_it_was_cut(sources: dict[str, Any]) -> None:
    """What lies behind a row's end in memory never becomes a number."""
    online = FakeOnlineStore()
    STORE.materialize([SET], sources, MOMENT, online)
    reader, rows = FeatureReader(online), online.rows[f"{SET.id}#0"]
    whole = rows[b'["UA"]']
    for cut in (*range(8, len(whole), 8), len(whole) - 3):
        rows[b'["UA"]'] = whole[:cut]
        with pytest.raises(RetryError, match="damaged"):
            reader.fetch({SET.id: {"k": "UA"}}, UNTIL)


def overflowing(directory: Path) -> dict[str, Any]:
    """A source whose n overflows int64 over three hours and not over one."""
    events = [
        {"id": hours, "at": UNTIL - hours * HOUR, "known": 0, "k": "UA", "n": 2**62, "x": 0.0, "s": None}
        for hours in (1, 2, 3)
    ]
    return {"events": (SOURCE, write_events(directory / "events.parquet", events))}


def test_a_sum_that_nobody_defined_is_never_refused_online(tmp_path: Path) -> None:
    """A set with n_sum_1h and n_count_6h answers, though a sum over 6 hours would not fit."""
    online = FakeOnlineStore()
    the_set = feature_set(
        Aggregation(column="n", operations=["sum"], windows=["1h"], hop="exact"),
        Aggregation(column="n", operations=["count"], windows=["6h"], hop="exact"),
    )
    STORE.materialize([the_set], overflowing(tmp_path), MOMENT, online)
    reader = FeatureReader(online)
    reader.open(feature_schema(the_set, None))
    assert reader.fetch({the_set.id: {"k": "UA"}}, UNTIL) == {"events.n_sum_1h": 2**62, "events.n_count_6h": 3}


def test_a_sum_beyond_int64_is_null_online_and_off_and_is_counted(tmp_path: Path) -> None:
    """One value's trouble: the same window's mean is what it is, and the training set says how many there are."""
    online = FakeOnlineStore()
    the_set = feature_set(Aggregation(column="n", operations=["sum", "mean"], windows=["6h"], hop="exact"))
    sources = overflowing(tmp_path)
    STORE.materialize([the_set], sources, MOMENT, online)
    right = {"events.n_sum_6h": None, "events.n_mean_6h": 2.0**62}
    assert FeatureReader(online).fetch({the_set.id: {"k": "UA"}}, UNTIL) == right
    offline = STORE.features_at(the_set, sources, {"k": ["UA"]}, [UNTIL])
    assert {name: value for name, (value,) in offline.items()} == right


def test_a_requests_features_are_one_call_to_the_store(sources: dict[str, Any]) -> None:
    """Whatever the number of sets: a store across a network would be asked once."""
    online = FakeOnlineStore()
    sets = [SET, feature_set(Aggregation(column="n", operations=["max"], windows=["2d"]), name="others")]
    for the_set in sets:
        STORE.materialize([the_set], sources, MOMENT, online)
    reader = FeatureReader(online)
    for the_set in sets:
        reader.open(feature_schema(the_set, None))
    before = online.reads
    values = reader.fetch({the_set.id: {"k": "UA"} for the_set in sets}, UNTIL)
    assert online.reads == before + 1
    assert (values["events.x_count_12h"], values["others.n_max_2d"]) == (8, 8)
    assert reader.fetch({the_set.id: {"k": None} for the_set in sets}, UNTIL)["events.x_count_12h"] == 0
