"""Arrow to the kernel and back: whatever sorts the events (DuckDB, a cogroup of Spark) meets the kernel here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bighead_ci.documents.definition import ColumnType, VersionedFeatureSet
from bighead_ci.features.batch import Events, compute
from bighead_ci.features.columns import Column, ColumnPlan, Values, plans_of
from bighead_ci.features.kernel.arrays import GREATEST, I64
from bighead_ci.features.meaning import Feature

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
TIMESTAMP = ARROW_TYPES["timestamp"]
GROUP, TIME, KNOWN, EVENT_ID = "key_number", "moment", "known", "event_id"
"""Columns of a table of events, beside those that are aggregated: the key's number, microseconds, and the event id."""


def events_of(table: pa.Table, columns: Mapping[str, tuple[str, ColumnType]], ids: ColumnType | None = None) -> Events:
    """Events as the kernel takes them.

    Args:
        table: of whole keys, sorted by (`GROUP`, `TIME`, event id); a null in `KNOWN` is never known.
        columns: column of the set → its name in the table, and its type.
        ids: type of `EVENT_ID`, where states are made of the events.
    """
    return Events(
        integers(table.column(GROUP)),
        integers(table.column(TIME)),
        integers(pc.fill_null(table.column(KNOWN), GREATEST)),
        {name: values_of(table.column(alias), kind) for name, (alias, kind) in columns.items()},
        None if ids is None else values_of(table.column(EVENT_ID), ids),
    )


def no_events(plans: Sequence[ColumnPlan]) -> Events:
    """What a key without events is computed from."""
    nothing = np.zeros(0, np.int64)
    empty = {
        plan.column: values_of(pa.chunked_array([], ARROW_TYPES[plan.column_type]), plan.column_type) for plan in plans
    }
    return Events(nothing, nothing, nothing, empty)


def integers(column: pa.ChunkedArray) -> I64:
    """A column without nulls as int64."""
    return np.ascontiguousarray(column.cast(pa.int64()).to_numpy())


def values_of(column: pa.ChunkedArray, kind: ColumnType) -> Values:
    """A column as the kernel takes it; strings become positions in their sorted list."""
    valid = np.asarray(pc.is_valid(column).to_numpy(), np.bool_)
    if kind == "string":
        codes, strings = _codes(column)
        return Values(codes, valid, strings)
    if kind == "float64":
        return Values(np.ascontiguousarray(pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy()), valid)
    if kind == "timestamp":
        # Only ever counted; an infinite time is as good as null, as an infinite number is.
        moments = pc.fill_null(column.cast(pa.int64()), GREATEST).to_numpy()
        return Values(np.zeros(len(column), np.int64), valid & (moments != GREATEST) & (moments != -GREATEST))
    return Values(np.ascontiguousarray(pc.fill_null(column.cast(pa.int64()), 0).to_numpy()), valid)


def numbered(columns: Sequence[pa.ChunkedArray]) -> I64:
    """Each row's number among the distinct keys, in order of appearance; -1 where a part is null."""
    groups = np.zeros(len(columns[0]), np.int64)
    for place, column in enumerate(columns):
        part = _appearance(column)
        if place:
            # Dense again after each part, so that no product overflows.
            pairs = np.where((groups < 0) | (part < 0), -1, groups * (int(part.max(initial=0)) + 1) + part)
            part = _appearance(pa.chunked_array([pa.array(pairs, mask=pairs < 0)]))
        groups = part
    return groups


def _appearance(column: pa.ChunkedArray) -> I64:
    """A number for each distinct value, in order of appearance; -1 for null."""
    return np.asarray(pc.fill_null(_encoded(column).indices, -1).to_numpy(zero_copy_only=False), np.int64)


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded


def _codes(column: pa.ChunkedArray) -> tuple[I64, tuple[str, ...]]:
    encoded = _encoded(column.cast(pa.string()))
    strings: list[str] = encoded.dictionary.to_pylist()
    order = sorted(range(len(strings)), key=strings.__getitem__)
    rank = np.zeros(max(len(strings), 1), np.int64)
    rank[order] = np.arange(len(order))
    return rank[pc.fill_null(encoded.indices, 0).to_numpy().astype(np.int64)], tuple(strings[place] for place in order)


def array_of(column: Column, feature: Feature) -> pa.Array:
    """A feature's values as Arrow."""
    if column.strings is not None:
        codes = pa.array(column.data, pa.int64(), mask=~column.valid)
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.strings, pa.string())).cast(pa.string())
    return pa.array(column.data, ARROW_TYPES[feature.type], mask=~column.valid)


def sorted_events(
    feature_set: VersionedFeatureSet, columns: Iterable[str], rows: pa.Table, groups: I64, *, ids: bool = False
) -> Events:
    """Events of a table in any order.

    Args:
        feature_set: says timestamp, event id and known-at.
        columns: which to bring.
        rows: with the source's columns.
        groups: each row's key by number; rows at -1, and rows without a timestamp, are left out.
        ids: bring the event ids too.
    """
    source = feature_set.source
    time = microseconds_of(rows.column(source.timestamp))
    known = microseconds_of(rows.column(source.known_at)) if source.known_at else time
    order = {GROUP: pa.array(groups), TIME: time, KNOWN: known, EVENT_ID: rows.column(source.event_id)}
    names = list(dict.fromkeys(columns))
    table = pa.table({**order, **{f"c{number}": rows.column(name) for number, name in enumerate(names)}})
    table = table.filter(pc.and_(pc.greater_equal(table[GROUP], 0), pc.is_valid(table[TIME])))
    table = table.take(pc.sort_indices(table, sort_keys=[(name, "ascending") for name in (GROUP, TIME, EVENT_ID)]))
    aliases = {name: (f"c{number}", source.columns[name]) for number, name in enumerate(names)}
    return events_of(table, aliases, source.columns[source.event_id] if ids else None)


def features_at(
    feature_set: VersionedFeatureSet,
    features: Sequence[Feature],
    rows: pa.Table,
    keys: Sequence[pa.ChunkedArray],
    moments: I64,
) -> dict[str, pa.Array]:
    """Features by name for keys and moments, over a table of events in any order: what one part of a cogroup needs.

    Args:
        feature_set: what the events are of.
        features: which of its features.
        rows: all events of at least these keys, with the source's columns.
        keys: one column a key column of the set.
        moments: query times in microseconds.
    """
    own = [rows.column(name) for name in feature_set.definition.key]
    both = [pa.chunked_array([*one.chunks, *other.cast(one.type).chunks]) for one, other in zip(own, keys, strict=True)]
    groups = numbered(both)
    plans = plans_of(features, feature_set.source)
    events = sorted_events(feature_set, [plan.column for plan in plans], rows, groups[: rows.num_rows])
    found = compute(plans, events, groups[rows.num_rows :], moments)
    return {feature.name: array_of(found[feature.name], feature) for feature in features}


def microseconds_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Timestamps as integers; null for infinities as DuckDB writes them, which are no moments."""
    moments = column.cast(TIMESTAMP).cast(pa.int64())
    infinite = pc.or_(pc.equal(moments, GREATEST), pc.equal(moments, -GREATEST))
    return pc.if_else(infinite, None, moments)
