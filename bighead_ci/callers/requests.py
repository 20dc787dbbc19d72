"""Which request bodies are sent: rows of a model's spine source from a moment on, or those of a file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from bighead_ci.definitions.loading import load_model, load_source
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.main import Main
from bighead_ci.documents.definition import RequestField, SourceDefinition
from bighead_ci.errors import InputError
from bighead_ci.features.arrow import ARROW_TYPES
from bighead_ci.features.parquet import read_file
from bighead_ci.features.source_files import read_source, view_of
from bighead_ci.features.source_values import READ, exact, fits, item_type
from bighead_ci.planning.meaning import data_path
from bighead_ci.ports.progress import Progress

AHEAD = timedelta(hours=2)
"""Callers ask about what happens within this time."""


def request_bodies(
    context: Context,
    main: Main,
    model: str,
    version: str,
    progress: Progress,
    start: datetime | None = None,
    ahead: timedelta = AHEAD,
) -> list[dict[str, Any]]:
    """What callers of a model version send, in order of time, from the data that main names.

    Args:
        context: Where.
        main: Its definitions.
        model: Who is asked.
        version: What its request is.
        progress: Told while data are fetched.
        start: The first moment of the rows; the workspace's, if there is none.
        ahead: How long after it a row may be.

    Raises:
        InputError: no such version, or its source has no rows there.
    """
    definition = load_model(main.tree, model, version).definition
    source = load_source(main.tree, definition.spine.source)
    path = context.orchestrator.sources(main.commit, progress, [data_path(source)]) / data_path(source)
    first = start or context.data_clock.now()
    return requests_of(definition.request, definition.spine.source, source, path, first, ahead)


def requests_from(main: Main, model: str, version: str, file: Path) -> list[dict[str, Any]]:
    """`requests_in` with the request of a model version.

    Raises:
        InputError: no such version, or as `requests_in`.
    """
    return requests_in(load_model(main.tree, model, version).definition.request, file)


def requests_of(
    fields: Mapping[str, RequestField],
    name: str,
    source: SourceDefinition,
    path: Path,
    start: datetime,
    ahead: timedelta = AHEAD,
) -> list[dict[str, Any]]:
    """Request bodies made of a source's rows, in order of time: of a span of time, or all if rows have no time.

    Raises:
        InputError: the source has no rows there; says between which moments it has.
    """
    columns = {name: field.column or name for name, field in fields.items()}
    table = read_source(view_of(name, source, path, columns.values()))
    if source.timestamp is not None:
        times = table[source.timestamp]
        ends = pc.min_max(times).as_py()
        table = table.filter(pc.and_(pc.greater_equal(times, start), pc.less(times, start + ahead)))
        table = table.sort_by(source.timestamp)
        if not table.num_rows:
            raise InputError(
                f"{path.name} has no rows in the {ahead / timedelta(hours=1):g} hours after "
                f"{start:%Y-%m-%d %H:%M:%S} UTC; {_other(ends)}"
            )
    bodies = _bodies(table, columns)
    if not bodies:
        raise InputError(f"{path.name} has no rows: nothing to send")
    return bodies


def requests_in(fields: Mapping[str, RequestField], file: Path) -> list[dict[str, Any]]:
    """Request bodies of a file, in its order.

    Parquet and CSV have a column for each field of the request (others are left out, as are nulls and empty cells);
    JSON is a list of bodies, or has one a line, and each is sent as it is.

    Raises:
        InputError: the file cannot be read as what its name says, lacks a required field, or has no rows.
    """
    try:
        if file.suffix == ".json":
            bodies = _json_bodies(file.read_text(encoding="utf-8"))
        elif file.suffix in {".parquet", ".csv"}:
            bodies = _table_bodies(fields, file)
        else:
            raise InputError(f"{file}: rows are read from another kind of file; allowed: .parquet, .csv, .json")
    except (OSError, ValueError, RecursionError, pa.ArrowException) as error:
        raise InputError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error
    if not bodies:
        raise InputError(f"{file} has no rows: nothing to send")
    return bodies


def _other(ends: Mapping[str, datetime | None]) -> str:
    first, last = ends["min"], ends["max"]
    if first is None or last is None:
        return "it has none at all"
    return (
        f"its rows are of {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC: --from takes a moment among them, "
        "--rows a file with other requests"
    )


def _table_bodies(fields: Mapping[str, RequestField], file: Path) -> list[dict[str, Any]]:
    table = read_file(file) if file.suffix == ".parquet" else _csv(fields, file)
    lacking = [name for name, field in fields.items() if field.required and name not in table.column_names]
    if lacking:
        raise InputError(
            f"{file} has no column {', '.join(lacking)}, which requests need; it has {', '.join(table.column_names)}"
        )
    sent = [name for name in fields if name in table.column_names]
    twice = [name for name in sent if table.column_names.count(name) > 1]
    if twice:
        raise InputError(f"{file} has several columns {', '.join(twice)}: nobody can tell which one to send")
    columns = {name: _values(file, name, fields[name], table.column(name)) for name in sent}
    return _bodies(pa.table(columns), {name: name for name in sent})


def _values(file: Path, name: str, field: RequestField, column: pa.ChunkedArray) -> pa.Array:
    """The column as values of the field; a time may be written as text, as in the request itself."""
    lists = field.size is not None
    kind = item_type(column.type, lists=lists)
    if pa.types.is_string(column.type) and field.type == "timestamp":
        return column.combine_chunks()
    if not fits(kind, field.type):
        raise InputError(f"{file}: column {name} is {column.type}; the field is {field.type}: {READ[field.type]}")
    try:
        return exact(column.combine_chunks(), field.type, lists=lists)
    except pa.ArrowInvalid as error:
        raise InputError(f"{file}: column {name} has a value that is no exact {field.type}: {error}") from error


def _csv(fields: Mapping[str, RequestField], file: Path) -> pa.Table:
    types = {name: ARROW_TYPES[field.type] for name, field in fields.items() if field.size is None}
    return pv.read_csv(file, convert_options=pv.ConvertOptions(column_types=types, strings_can_be_null=True))


def _json_bodies(text: str) -> list[dict[str, Any]]:
    found = json.loads(text) if text.lstrip().startswith("[") else [json.loads(one) for one in text.splitlines() if one]
    strangers = [number for number, body in enumerate(found, 1) if not isinstance(body, dict)]
    if strangers:
        raise ValueError(f"row {strangers[0]} is no object")
    return list(found)


def _bodies(table: pa.Table, columns: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = table.select(sorted(set(columns.values()))).to_pylist()
    return [{name: _plain(row[column]) for name, column in columns.items() if _is_known(row[column])} for row in rows]


def _is_known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _plain(value: Any) -> Any:
    """A cell as JSON has it; a time without a zone is UTC."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return value
