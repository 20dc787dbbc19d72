"""Checks that a source's Parquet file holds what its definition says, before anything is computed from it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bighead_ci.documents.definition import ColumnType, SourceDefinition
from bighead_ci.errors import InputError, Problem
from bighead_ci.ports.offline_store import Sources
from bighead_ci.words import closest


def check_sources(sources: Sources, needed: dict[str, set[str]]) -> None:
    """Compare the needed columns of each source with its file.

    Args:
        sources: definitions and files by name.
        needed: columns by source name.

    Raises:
        InputError: with every missing source, file and column and every wrong type.
    """
    problems = [problem for name in sorted(needed) for problem in _source_problems(name, sources, needed[name])]
    if problems:
        raise InputError(problems)


def _source_problems(name: str, sources: Sources, columns: set[str]) -> Iterable[Problem]:
    file = f"features/sources/{name}.yaml"
    if name not in sources:
        yield Problem(
            file=file,
            message="no such source",
            value=name,
            allowed=", ".join(sorted(sources)),
            suggestion=closest(name, sources),
        )
        return
    definition, path = sources[name]
    order = (definition.event_id, definition.timestamp, definition.known_at)
    columns = columns | {column for column in order if column is not None}
    undeclared = sorted(columns - definition.columns.keys())
    for column in undeclared:
        yield Problem(
            file=file,
            subject=f"columns.{column}",
            message="the source declares no such column",
            value=column,
            allowed=", ".join(definition.columns),
            suggestion=closest(column, definition.columns),
        )
    schema_or_problem = _schema(file, definition, path)
    if isinstance(schema_or_problem, Problem):
        yield schema_or_problem
        return
    for column in sorted(columns - set(undeclared)):
        yield from _column_problems(file, column, definition, schema_or_problem)


def _schema(file: str, definition: SourceDefinition, path: Path) -> pa.Schema | Problem:
    if not path.is_file():
        there = sorted(found.name for found in path.parent.glob("*.parquet")) if path.parent.is_dir() else []
        return Problem(
            file=file,
            subject="path",
            message="the data file does not exist (`dvc pull` or `dvc repro` brings it)",
            value=definition.path,
            allowed=", ".join(there) or None,
            suggestion=closest(path.name, there),
        )
    try:
        return pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        return Problem(
            file=file, subject="path", message=f"the data file is not Parquet: {error}", value=definition.path
        )


def _column_problems(file: str, column: str, definition: SourceDefinition, schema: pa.Schema) -> Iterable[Problem]:
    if column not in schema.names:
        yield Problem(
            file=file,
            subject=f"columns.{column}",
            message=f"the data file {definition.path} has no such column",
            value=column,
            allowed=", ".join(schema.names),
            suggestion=closest(column, schema.names),
        )
        return
    found = schema.field(column).type
    if column in definition.sizes and _is_list(found):
        found = found.value_type
    if not _fits(definition.columns[column], found):
        yield Problem(
            file=file,
            subject=f"columns.{column}",
            message=f"the data file {definition.path} has another type",
            value=str(schema.field(column).type),
            allowed=f"{definition.columns[column]}" + (" list" if column in definition.sizes else ""),
        )


def _is_list(found: pa.DataType) -> bool:
    return bool(pa.types.is_list(found) or pa.types.is_large_list(found) or pa.types.is_fixed_size_list(found))


def _fits(declared: ColumnType, found: pa.DataType) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    if declared == "int64":
        return bool(pa.types.is_integer(found) and found != pa.uint64())
    if declared == "float64":
        return bool(pa.types.is_floating(found))
    if declared == "string":
        return bool(pa.types.is_string(found) or pa.types.is_large_string(found))
    if declared == "bool":
        return bool(pa.types.is_boolean(found))
    # Nanoseconds would have to be cut to the microseconds that the engine counts in.
    return bool(pa.types.is_timestamp(found) and found.unit != "ns")
