"""Profiles of a training set's columns, for people and for comparing runs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bighead_ci.documents.record import ColumnProfile

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_FREQUENT = 10
LARGEST_EXPONENT = 400
"""Sums of the squares of many numbers below 2**400 are within float64."""


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


def _end(column: pa.ChunkedArray, which: str, nearest: float) -> int | float:
    """The least or greatest value; an integer where no float64 is equal to it."""
    if not pa.types.is_integer(column.type):
        return nearest
    exact: int = pc.min_max(column)[which].as_py()
    return nearest if nearest == exact else exact


def _top(column: pa.ChunkedArray) -> dict[str, int]:
    counts = pc.value_counts(column.drop_null()).to_pylist()
    ranked = sorted(counts, key=lambda entry: (-entry["counts"], entry["values"]))
    return {entry["values"]: entry["counts"] for entry in ranked[:MOST_FREQUENT]}


def _numbers(column: pa.ChunkedArray) -> dict[str, object]:
    # Not safe: beyond 2**53 an integer is described by the float64 next to it. Its ends are exact, below.
    values = column.drop_null().cast(pa.float64(), safe=False).to_numpy()
    values = values[np.isfinite(values)]
    if not len(values):
        return {}
    # The squares of large numbers are beyond float64, and an infinity cannot be read back from JSON: scale those.
    exponent = max(int(np.frexp(np.abs(values).max())[1]) - LARGEST_EXPONENT, 0)
    scaled = np.ldexp(values, -exponent)
    return {
        "mean": float(np.ldexp(scaled.mean(), exponent)),
        "std": float(np.ldexp(scaled.std(), exponent)),
        "minimum": _end(column, "min", float(values.min())),
        "maximum": _end(column, "max", float(values.max())),
        "quantiles": [float(np.ldexp(value, exponent)) for value in np.quantile(scaled, QUANTILES)],
    }
