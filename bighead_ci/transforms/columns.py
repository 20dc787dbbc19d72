"""A training set's columns as estimators and artifacts take them, each of its own type.

Text has "" for missing. Whole numbers are int64 and booleans bool where no value is missing, else float64 with NaN. No
number is narrowed: an estimator that is trained on what serving feeds puts its thresholds where serving finds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.errors import InputError
from bighead_ci.scorers.inputs import EXACT, typed

Columns = dict[str, npt.NDArray[Any]]


def input_columns(table: pa.Table, inputs: Sequence[ArtifactInput]) -> Columns:
    """The inputs of every row, by name: `(rows,)` or `(rows, size)`; what `Scorer.score` takes.

    Raises:
        InputError: a column is missing, its values are not of the input's type, or it has whole numbers that float64
            cannot hold beside missing ones (all problems at once).
    """
    problems, columns = [], {}
    for item in inputs:
        if item.name not in table.column_names:
            problems.append(f"column {item.name} is missing")
            continue
        try:
            columns[item.name] = _column(table[item.name], item)
        except (ValueError, TypeError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            problems.append(f"column {item.name}: {error}")
    if problems:
        raise InputError("training set: " + "; ".join(problems))
    return columns


def authored_columns(rows: Sequence[Mapping[str, Any]], inputs: Sequence[ArtifactInput]) -> Columns:
    """The same from rows of plain values; an absent value counts as missing.

    Raises:
        InputError: a value is not of its input's type and size.
    """
    columns = {}
    for item in inputs:
        values = np.empty(len(rows), dtype=object)
        values[:] = [row.get(item.name) for row in rows]
        try:
            columns[item.name] = typed(item, values)
        except (ValueError, TypeError) as error:
            raise InputError(f"input {item.name}: {error}") from error
    return columns


def row_count(columns: Columns) -> int:
    """How many rows they have; 0 without a column."""
    return len(next(iter(columns.values()), ()))


def appended(first: Columns, second: Columns) -> Columns:
    """The rows of both; a column that is of two types takes the one that holds both.

    Raises:
        InputError: a whole number of one has no place in the float64 that missing values of the other make it.
    """
    joined = {}
    for name, values in first.items():
        others = second[name]
        if {values.dtype.kind, others.dtype.kind} == {"i", "f"}:
            whole = values if values.dtype.kind == "i" else others
            if ((whole > EXACT) | (whole < -EXACT)).any():
                raise InputError(
                    f"column {name}: whole numbers beyond 2**53 beside missing ones; float64 holds neither"
                )
        joined[name] = np.concatenate([values, others]) if len(values) and len(others) else _longer(values, others)
    return joined


def _longer(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return first if len(first) >= len(second) else second


def _column(column: pa.ChunkedArray, item: ArtifactInput) -> npt.NDArray[Any]:
    if item.type == "string":
        return typed(item, column.cast(pa.string()).to_numpy())
    if item.size is None:
        return _scalars(column, item)
    lists = column.combine_chunks()
    values = lists.flatten().cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    if lists.null_count or len(values) != len(lists) * item.size:
        raise ValueError(f"every row needs a list of {item.size} numbers")
    return np.asarray(values, dtype=np.float64).reshape(len(lists), item.size)


def _scalars(column: pa.ChunkedArray, item: ArtifactInput) -> npt.NDArray[Any]:
    if not column.null_count and item.type in ("int64", "bool"):
        return np.asarray(column.cast(pa.int64() if item.type == "int64" else pa.bool_()).to_numpy())
    numbers = column.cast(pa.float64(), safe=False)
    if pa.types.is_integer(column.type) and not pc.all(pc.equal(numbers.cast(pa.int64(), safe=False), column)).as_py():
        raise ValueError("has whole numbers beyond 2**53 beside nulls: float64 holds only one of the two")
    return np.asarray(numbers.to_numpy(), dtype=np.float64)
