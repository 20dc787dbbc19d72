"""A source's file as DuckDB reads it: columns by their place in the file, under names that are ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from bighead_ci.documents.definition import ColumnType, SourceDefinition
from bighead_ci.features.parquet import schema_of
from bighead_ci.features.source_values import item_type

# Only what `features.source_files` has checked is read: each of these conversions is exact then.
_TYPES: dict[ColumnType, str] = {
    "int64": "BIGINT",
    "float64": "DOUBLE",
    "string": "VARCHAR",
    "bool": "BOOLEAN",
    "timestamp": "BIGINT",
}
_AS_IT_IS: dict[ColumnType, set[pa.DataType]] = {
    "int64": {pa.int64()},
    "float64": {pa.float64()},
    "string": {pa.string(), pa.large_string(), pa.string_view()},
    "bool": {pa.bool_()},
    "timestamp": {pa.timestamp("us"), pa.timestamp("us", "UTC")},
}
"""What DuckDB reads as it is meant."""


def literal_file(path: Path) -> str:
    """A path as DuckDB's patterns name this one file and no other."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path.absolute()))


def source_table(path: Path, source: SourceDefinition, columns: Mapping[str, str]) -> str:
    """Some columns of a source's checked file in SQL; timestamps are microseconds, null where they are infinite.

    Args:
        path: the file.
        source: says the columns' types.
        columns: name in the query, which is the caller's own → column of the file, matched by exact name.
    """
    schema = schema_of(path)
    places = {name: place for place, name in enumerate(schema.names)}
    selected = [
        f"{_value(f'f{places[column]}', source, column, schema.field(places[column]).type)} AS {name}"
        for name, column in columns.items()
    ]
    file = "'" + literal_file(path).replace("'", "''") + "'"
    names = ", ".join(f"f{place}" for place in range(len(schema.names)))
    return (
        f"(SELECT {', '.join(selected)} FROM "  # noqa: S608 - names are ours, the path is a quoted literal
        f"read_parquet({file}, hive_partitioning=false, union_by_name=false) AS file({names}))"
    )


def _value(name: str, source: SourceDefinition, column: str, found: pa.DataType) -> str:
    kind, lists = source.columns[column], column in source.sizes
    item, brackets = item_type(found, lists=lists), "[]" if lists else ""
    if pa.types.is_null(item):
        return f"CAST(NULL AS {_TYPES[kind]}{brackets})"
    if kind == "timestamp":
        zone = "TIMESTAMPTZ" if getattr(item, "tz", None) else "TIMESTAMP"
        return f"epoch_us({name})" if item in _AS_IT_IS[kind] else f"epoch_us(CAST({name} AS {zone}))"
    if item in _AS_IT_IS[kind]:
        return name
    if kind == "float64" and pa.types.is_decimal(item):
        # By its text: a division would round twice.
        name = f"CAST({name} AS VARCHAR{brackets})"
    return f"CAST({name} AS {_TYPES[kind]}{brackets})"
