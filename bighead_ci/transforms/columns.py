"""A training set's columns as estimators and artifacts take them: text with "" for missing, float32 with NaN.

float32 throughout, because the artifact's graph computes in it: an estimator trained on the same numbers that serving
feeds puts its thresholds where serving finds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.errors import InputError
from bighead_ci.transforms.artifact import feed

Columns = dict[str, npt.NDArray[Any]]


def input_columns(table: pa.Table, inputs: Sequence[ArtifactInput]) -> Columns:
    """The inputs of every row, by name: `(rows,)` or `(rows, size)`; what `Scorer.score` takes.

    Raises:
        InputError: a column is missing or its values are not of the input's type (all problems at once).
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
            columns[item.name] = _reshaped(item, feed(item, values))
        except (ValueError, TypeError) as error:
            raise InputError(f"input {item.name}: {error}") from error
    return columns


def _column(column: pa.ChunkedArray, item: ArtifactInput) -> npt.NDArray[Any]:
    if item.type == "string":
        texts = column.cast(pa.string()).to_numpy()
        return _reshaped(item, feed(item, texts))
    if item.size is None:
        # Not safe: an integer beyond 2**53 is rounded, as `float` does to the one that a caller sends.
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float32)
    lists = column.combine_chunks()
    values = lists.flatten().cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    if lists.null_count or len(values) != len(lists) * item.size:
        raise ValueError(f"every row needs a list of {item.size} numbers")
    return np.asarray(values, dtype=np.float32).reshape(len(lists), item.size)


def _reshaped(item: ArtifactInput, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values.reshape(-1) if item.size is None else values
