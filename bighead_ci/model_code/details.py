"""What a model says of its answers besides scores, held against what model.yaml declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bighead_ci.documents.definition import DetailField

_TYPES: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "int64": ((int, np.integer), "a whole number"),
    "float64": ((int, float, np.integer, np.floating), "a finite number"),
    "string": (str, "a text"),
    "bool": ((bool, np.bool_), "true or false"),
}
_INT64 = 2**63
SHOWN = 80
"""Characters of a wrong value."""


def detail_rows(given: Any, declared: Mapping[str, DetailField], rows: int) -> list[dict[str, Any]]:
    """What `details(frame)` gave, a row each, as JSON has it.

    Raises:
        ValueError: it is no frame of the declared columns and so many rows, or a value is not of its type.
    """
    wanted = ", ".join(declared)
    if not isinstance(given, pd.DataFrame):
        raise TypeError(f"gives {type(given).__name__}, not a DataFrame with the columns {wanted}")
    if {*given.columns} != {*declared}:
        raise ValueError(f"gives the columns {', '.join(map(str, given.columns))}; serving.details declares {wanted}")
    if len(given) != rows:
        raise ValueError(f"gives {len(given):,} rows for {rows:,}: one a row, in their order")
    columns = {name: list(_read(name, given[name], field)) for name, field in declared.items()}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _read(name: str, column: pd.Series, field: DetailField) -> Iterator[Any]:
    accepted, words = _TYPES[field.type]
    read: Callable[[Any], Any] = {"int64": int, "float64": float, "string": str, "bool": bool}[field.type]
    for row, value in enumerate(column.tolist()):
        if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
            if field.required:
                raise ValueError(f"gives nothing in {name}, row {row}, which is required")
            yield None
            continue
        right = isinstance(value, accepted) and (field.type == "bool" or not isinstance(value, bool | np.bool_))
        if not right or not _fits(value, field.type):
            shown = repr(value)
            raise TypeError(f"gives {shown[:SHOWN]} in {name}, row {row}, which is {words}")
        yield read(value)


def _fits(value: Any, kind: str) -> bool:
    if kind == "int64":
        return -_INT64 <= int(value) < _INT64
    return kind != "float64" or bool(np.isfinite(value))
