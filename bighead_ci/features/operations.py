"""Which operations a column's type has, and the type of what they give."""

from __future__ import annotations

from typing import Literal

from bighead_ci.documents.definition import ColumnType, Operation

FeatureType = Literal["int64", "float64", "string"]

OPERATIONS: dict[ColumnType, tuple[Operation, ...]] = {
    "int64": ("count", "sum", "mean", "min", "max", "variance", "first", "last"),
    "float64": ("count", "sum", "mean", "min", "max", "variance", "first", "last"),
    "bool": ("count", "sum", "mean", "min", "max", "variance", "first", "last"),
    "string": ("count", "min", "max", "first", "last"),
    "timestamp": ("count",),
}


def output_type(column_type: ColumnType, operation: Operation) -> FeatureType:
    """The type of a feature: count is int64, mean and variance float64, the rest keep the column's type.

    A bool column counts as int64 0 and 1.
    """
    if operation == "count":
        return "int64"
    if operation in ("mean", "variance") or column_type == "float64":
        return "float64"
    return "string" if column_type == "string" else "int64"
