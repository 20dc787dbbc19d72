"""Arrow to the kernel and back: whatever sorts the events (DuckDB, a cogroup of Spark) meets the kernel here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bighead_ci.documents.definition import ColumnType
from bighead_ci.features.batch import Events
from bighead_ci.features.columns import Column, ColumnPlan, Values
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
GROUP, TIME, KNOWN, EVENT_ID = "gid", "ts", "known", "id"
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
        # Only ever counted.
        return Values(np.zeros(len(column), np.int64), valid)
    return Values(np.ascontiguousarray(pc.fill_null(column.cast(pa.int64()), 0).to_numpy()), valid)


def _codes(column: pa.ChunkedArray) -> tuple[I64, tuple[str, ...]]:
    encoded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
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
