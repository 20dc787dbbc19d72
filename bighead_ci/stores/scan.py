"""DuckDB reads, filters and sorts events; Arrow brings them to the kernel in chunks of whole keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from bighead_ci.documents.definition import SourceDefinition, VersionedFeatureSet
from bighead_ci.errors import InputError, RetryError
from bighead_ci.features.arrow import EVENT_ID, GROUP, KNOWN, TIME, events_of, numbered
from bighead_ci.features.batch import Events
from bighead_ci.features.kernel.arrays import I64
from bighead_ci.stores.limits import VARIABLE, Limits, size
from bighead_ci.stores.source_table import source_table


@contextmanager
def connection(limits: Limits) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory DuckDB under the limits.

    Raises:
        RetryError: in the block, DuckDB got no memory or no disk.
        InputError: in the block, it met damaged data, or values that do not convert to what they are compared with.
    """
    settings: dict[str, Any] = {
        "memory_limit": f"{limits.of_database}B",
        # Without it, DuckDB 2.0 hands sorted rows to Arrow out of order.
        "preserve_insertion_order": True,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if limits.spill is not None:
        settings["temp_directory"] = str(limits.spill)
    settings["threads"] = limits.processors
    database = duckdb.connect(config=settings)
    try:
        yield database
    except duckdb.OutOfMemoryException as error:
        raise RetryError(
            f"DuckDB ran out of its half of {size(limits.memory)}; set {VARIABLE} to more than that: {error}"
        ) from error
    except duckdb.IOException as error:
        raise RetryError(f"DuckDB could not read or spill: {error}") from error
    except (duckdb.DataError, duckdb.InvalidInputException) as error:
        raise InputError(f"a source cannot be read: {error}") from error
    finally:
        database.close()


def register_keys(database: duckdb.DuckDBPyConnection, columns: Sequence[pa.Array | pa.ChunkedArray]) -> I64:
    """Number the distinct keys of query rows into the table `keys` (k0, k1, …, gid).

    Args:
        database: where the table goes.
        columns: one array a key column, as long as the queries.

    Returns:
        Each row's number; -1 where any part is null (such a row matches nothing).
    """
    names = [f"k{number}" for number in range(len(columns))]
    chunked = [pa.chunked_array([column]) if isinstance(column, pa.Array) else column for column in columns]
    groups = numbered(chunked)
    # Numbers are given in the order of first appearance.
    highest = np.maximum.accumulate(np.append(-1, groups))
    firsts = pa.array(np.flatnonzero(np.diff(highest)))
    keys = pa.table([column.take(firsts) for column in chunked], names)
    database.register("distinct_keys", keys.append_column(GROUP, pa.array(np.arange(len(firsts)))))
    database.execute("CREATE OR REPLACE TEMP TABLE keys AS SELECT * FROM distinct_keys")
    database.unregister("distinct_keys")
    return groups


def register_all_keys(database: duckdb.DuckDBPyConnection, feature_set: VersionedFeatureSet, path: Path) -> int:
    """Number every key of a source's file into the table `keys`, in the keys' order; return how many."""
    columns = {f"k{number}": key for number, key in enumerate(feature_set.definition.key)}
    listed = ", ".join(columns)
    known = " AND ".join(f"{name} IS NOT NULL" for name in columns)
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE keys AS SELECT *, row_number() OVER (ORDER BY {listed}) - 1 AS {GROUP} "  # noqa: S608
        f"FROM (SELECT DISTINCT {listed} FROM {source_table(path, feature_set.source, columns)} WHERE {known})"
    )
    row = database.execute("SELECT count(*) FROM keys").fetchone()
    return int(row[0]) if row else 0


def scan_events(
    database: duckdb.DuckDBPyConnection,
    feature_set: VersionedFeatureSet,
    path: Path,
    columns: Iterable[str],
    limits: Limits,
    *,
    known_before: int | None = None,
    earliest: int | None = None,
    ids: bool = False,
) -> Iterator[Events]:
    """Events of the keys in table `keys`, sorted by (gid, timestamp, event id), in chunks of whole keys.

    Args:
        database: holds `keys`.
        feature_set: says key, timestamp, event id and known-at.
        path: the source's Parquet file.
        columns: columns to bring.
        limits: how much may be in memory at once.
        known_before: leave out events known then or later (UTC microseconds).
        earliest: leave out events before it.
        ids: bring the event ids too.

    Raises:
        InputError: a key has more events than fit into memory.
    """
    source = feature_set.source
    if source.timestamp is None:
        raise InputError(f"{feature_set.id}: its source has no timestamp")
    names = list(dict.fromkeys(columns))
    keys = {f"k{number}": key for number, key in enumerate(feature_set.definition.key)}
    values = {f"c{number}": name for number, name in enumerate(names)}
    columns = {TIME: source.timestamp, EVENT_ID: source.event_id, **keys, **values}
    known = TIME
    if source.known_at is not None:
        known, columns[KNOWN] = KNOWN, source.known_at
    selected = "".join(f", s.{name}" for name in [*values, *([EVENT_ID] if ids else [])])
    # Null for infinite timestamps too, which no window reaches.
    filters = [f"s.{TIME} IS NOT NULL"]
    if known_before is not None:
        filters.append(f"s.{known} < {known_before}")
    if earliest is not None:
        filters.append(f"s.{TIME} >= {earliest}")
    matches = " AND ".join(f"s.{name} = keys.{name}" for name in keys)
    result = database.sql(
        f"SELECT keys.{GROUP} AS {GROUP}, s.{TIME} AS {TIME}, s.{known} AS {KNOWN}{selected} "  # noqa: S608 - names are ours
        f"FROM {source_table(path, source, columns)} s JOIN keys ON {matches} WHERE {' AND '.join(filters)} "
        f"ORDER BY keys.{GROUP}, s.{TIME}, s.{EVENT_ID}"
    )
    width = len(names) + ids
    aliases = {name: (f"c{number}", source.columns[name]) for number, name in enumerate(names)}

    def check_key(group: int, events: int) -> None:
        if events > limits.events_of_a_key(width):
            batches.close()
            key = database.execute(f"SELECT * EXCLUDE {GROUP} FROM keys WHERE {GROUP} = {group}").fetchone()  # noqa: S608 - ours
            limits.check_key(feature_set.id, ", ".join(map(str, key or ())), events, width)

    size_at_once = limits.events_at_once(width)
    batches = result.to_arrow_reader(min(size_at_once, 500_000))
    for chunk in _whole_keys(batches, size_at_once, check_key):
        yield events_of(chunk, aliases, source.columns[source.event_id] if ids else None)


def newest_event(
    database: duckdb.DuckDBPyConnection, source: SourceDefinition, path: Path, known_before: int
) -> int | None:
    """Time of the newest row that was known before a moment (UTC microseconds); None: there is none."""
    if source.timestamp is None:
        return None
    rows = source_table(path, source, {TIME: source.timestamp, KNOWN: source.known_at or source.timestamp})
    row = database.execute(
        f"SELECT max({TIME}) FROM {rows} WHERE {KNOWN} < {known_before}"  # noqa: S608 - names are ours
    ).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def check_unique(database: duckdb.DuckDBPyConnection, name: str, source: SourceDefinition, path: Path) -> None:
    """Refuse a source whose event ids are null or repeat: its order would not be total.

    Raises:
        InputError: with an example.
    """
    rows = source_table(path, source, {EVENT_ID: source.event_id})
    found = database.execute(
        f"SELECT {EVENT_ID}, count(*) FROM {rows} GROUP BY {EVENT_ID} "  # noqa: S608 - names are ours
        f"HAVING count(*) > 1 OR {EVENT_ID} IS NULL ORDER BY {EVENT_ID} NULLS FIRST LIMIT 1"
    ).fetchone()
    if found is not None:
        what = "is null" if found[0] is None else f"= {found[0]!r}"
        raise InputError(
            f"source {name}: event_id {source.event_id} {what} in {found[1]} rows; it must be unique and not null"
        )


def _whole_keys(
    batches: Iterable[pa.RecordBatch], size: int, check_key: Callable[[int, int], None]
) -> Iterator[pa.Table]:
    """Regroup batches sorted by gid into tables of about `size` rows that never split a gid.

    `check_key`: told of a gid and how many rows of it are at hand, while more may come.
    """
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        if batch.num_rows == 0:
            continue
        held.append(batch)
        rows += batch.num_rows
        if rows < size:
            continue
        groups = batch.column(0).to_numpy(zero_copy_only=False)
        cut = int(np.searchsorted(groups, groups[-1]))
        done = [*held[:-1], batch.slice(0, cut)]
        if sum(part.num_rows for part in done) and (cut > 0 or _last_gid(held[-2]) != groups[-1]):
            yield pa.Table.from_batches(done)
            held = [batch.slice(cut)]
            rows = held[0].num_rows
        check_key(int(groups[-1]), rows)
    if held:
        yield pa.Table.from_batches(held)


def _last_gid(batch: pa.RecordBatch) -> int:
    return int(batch.column(0)[-1].as_py())
