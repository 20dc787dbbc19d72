"""Names of people never meet names of ours: whatever columns are called, the values are those of plain names."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bighead_ci.documents.definition import (
    Aggregation,
    FeatureSetDefinition,
    FeatureUse,
    Label,
    RequestField,
    SourceDefinition,
    VersionedFeatureSet,
)
from bighead_ci.errors import InputError
from bighead_ci.features.online import FeatureReader
from bighead_ci.stores.offline import DuckDBOfflineStore
from fakes.hourly_events import SPINE, START, microseconds, model, training_set, write_sources
from fakes.online_store import FakeOnlineStore
from oracles.events import SOURCE

EVENTS_PLAIN, SPINE_PLAIN = tuple(SOURCE.columns), tuple(SPINE.columns)
DECLARED = (
    "id", "ID", "Id", "ts", "label", "Label", "n", "N", "gid", "never", "known", "moment", "at", "key_number",
    "event_id", "known_at", "c0", "c1", "C0", "f0", "f1", "k0", "s", "l", "keys", "file", "filename", "rowid", "select",
    "from", "order", "table", "group", "end", "null", "true", "count", "distinct_keys", "file_row_number",
    "hive_partitioning",
    "_", "_1", "x",
)  # fmt: skip
"""Names that a source may declare: SQL's, DuckDB's, ours, and some that differ by case alone."""
UNDECLARED = (
    "",
    " ",
    'a"b',
    "it's",
    "a.b",
    "x y",
    "ünï",
    "日",
    "\n",
    "__label",
    "__event_id",
    "carrier=ZZ",
    "*",
    "a;--",
)
Names = dict[str, str]


def renamed_source(source: SourceDefinition, names: Names) -> SourceDefinition:
    columns = {names[name]: kind for name, kind in source.columns.items()}
    order = {field: names.get(getattr(source, field)) for field in ("timestamp", "event_id", "known_at")}
    return source.model_copy(update={"columns": columns, **order})


def results(directory: Path, events: Names, spine: Names, strange: list[str]) -> tuple[list[dict[str, Any]], Any]:
    """The training set, and what is served of two keys, under the plain names."""
    directory.mkdir()
    files = {}
    for name, (source, path) in write_sources(directory).items():
        names = events if name == "events" else spine
        table = pq.ParquetFile(path).read()
        # What nobody declared stands first, with values that are plainly wrong.
        own = [names[column] for column in table.column_names]
        others = [one for one in dict.fromkeys([*strange, *map(str.swapcase, own)]) if one not in own]
        wrong = [pa.array([-(10**6)] * table.num_rows) for _ in others]
        pq.write_table(pa.table([*wrong, *table.columns], [*others, *own]), path)
        files[name] = (renamed_source(source, names), path)
    aggregations = [
        Aggregation(column=events["n"], operations=["sum", "last", "count"], windows=["12h"]),
        Aggregation(column=events["s"], operations=["max"], windows=["12h"]),
    ]
    definition = FeatureSetDefinition(owner="t", source="events", key=[events["k"]], aggregations=aggregations)
    features = VersionedFeatureSet(name="events", version="v1", definition=definition, source=files["events"][0])
    request = {
        "carrier_asked": RequestField(type="string", column=spine["k"], use="lookup"),
        "distance_asked": RequestField(type="float64", column=spine["d"]),
    }
    spec = model(
        label=Label(source="events", column=events["n"], offset="2h"),
        request=request,
        slices=["carrier_asked", spine["place"]],
        features=[FeatureUse(set="events/v1", keys={events["k"]: "carrier_asked"})],
    )
    store, online = DuckDBOfflineStore(), FakeOnlineStore()
    training_set(store, spec, [features], files, directory / "ts.parquet")
    store.materialize([features], files, START.replace(day=2), online)
    reader = FeatureReader(online)
    starts = {f"events.{events[column]}_": f"events.{column}_" for column in ("n", "s")}

    def plain(row: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for name, value in row.items():
            start = max((one for one in starts if name.startswith(one)), key=len, default=None)
            own = name if start is None else starts[start] + name.removeprefix(start)
            found["place" if name == spine["place"] else own] = value
        return found

    rows = pq.ParquetFile(directory / "ts.parquet").read().to_pylist()
    served = [
        plain(reader.fetch({"events/v1": {events["k"]: key}}, microseconds(24))) for key in ("UA", "AA", "nobody")
    ]
    return [plain(row) for row in rows], served


@cache
def expected() -> tuple[list[dict[str, Any]], Any]:
    with TemporaryDirectory() as directory:
        plain = {name: f"plain_{name}" for name in {*EVENTS_PLAIN, *SPINE_PLAIN}}
        return results(Path(directory) / "plain", plain, plain, [])


def names_for(columns: tuple[str, ...]) -> st.SearchStrategy[Names]:
    chosen = st.lists(st.sampled_from(DECLARED), min_size=len(columns), max_size=len(columns), unique=True)
    return chosen.map(lambda names: dict(zip(columns, names, strict=True)))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(names_for(EVENTS_PLAIN), names_for(SPINE_PLAIN), st.lists(st.sampled_from(UNDECLARED), unique=True))
def test_values_do_not_depend_on_names(events: Names, spine: Names, strange: list[str]) -> None:
    """Training set, materialisation and fetch give what they give with plain names, beside any other columns."""
    with TemporaryDirectory() as directory:
        assert results(Path(directory) / "named", events, spine, strange) == expected()


def test_plain_names_give_what_is_plain_to_see() -> None:
    """What the others are compared with: some values by hand."""
    rows, served = expected()
    assert [row["__event_id"] for row in rows] == [0, 1, 2, 5, 6, 8]
    assert {type(row["__timestamp"]) for row in rows} == {datetime}
    assert [one["events.n_count_12h"] for one in served][2] == 0


@pytest.mark.parametrize("name", ["n", "N", "id", "count"])
def test_a_repeated_event_id_is_found_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    """Duplicates are refused with the value and how many rows have it."""
    names = {one: f"plain_{one}" for one in EVENTS_PLAIN} | {"id": name}
    path = write_sources(tmp_path)["events"][1]
    table = pq.ParquetFile(path).read()
    twice = pa.concat_tables([table, table.slice(3, 1)])
    pq.write_table(twice.rename_columns([names[one] for one in twice.column_names]), path)
    source = renamed_source(SOURCE, names)
    aggregation = Aggregation(column=names["n"], operations=["count"], windows=["1h"])
    definition = FeatureSetDefinition(owner="t", source="events", key=[names["k"]], aggregations=[aggregation])
    features = VersionedFeatureSet(name="events", version="v1", definition=definition, source=source)
    with pytest.raises(InputError, match=f"event_id {name} = 3 in 2 rows"):
        DuckDBOfflineStore().features_at(features, {"events": (source, path)}, {names["k"]: ["UA"]}, [0])
