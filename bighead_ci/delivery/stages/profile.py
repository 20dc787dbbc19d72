"""Profiles of a training set's columns, for people and for comparing runs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bighead_ci.documents.record import ColumnProfile

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_FREQUENT = 10


def profile_columns(table: pa.Table) -> list[ColumnProfile]:
    """A profile of each column, in order; a list column's numbers are described all together."""
    return [_profile(name, table[name]) for name in table.column_names]


def _profile(name: str, column: pa.ChunkedArray) -> ColumnProfile:
    kind = column.type
    described = ColumnProfile(column=name, type=str(kind), rows=len(column), nulls=column.null_count)
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        column = pa.chunked_array([column.combine_chunks().flatten()])
        kind = column.type
    if pa.types.is_boolean(kind):
        column, kind = column.cast(pa.int64()), pa.int64()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return described.model_copy(update={"top": _top(column)})
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return described.model_copy(update=_numbers(column))
    return described


def _top(column: pa.ChunkedArray) -> dict[str, int]:
    counts = pc.value_counts(column.drop_null()).to_pylist()
    ranked = sorted(counts, key=lambda entry: (-entry["counts"], entry["values"]))
    return {entry["values"]: entry["counts"] for entry in ranked[:MOST_FREQUENT]}


def _numbers(column: pa.ChunkedArray) -> dict[str, object]:
    values = column.drop_null().cast(pa.float64()).to_numpy()
    values = values[np.isfinite(values)]
    if not len(values):
        return {}
    return {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "minimum": float(values.min()),
        "maximum": float(values.max()),
        "quantiles": [float(value) for value in np.quantile(values, QUANTILES)],
    }
