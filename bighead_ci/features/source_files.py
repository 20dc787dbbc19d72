"""Reads data files: one literal Parquet file, its columns by their exact names, values as the source declares them.

Nothing is guessed: no columns from the names of folders, no patterns, no dialects, no case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bighead_ci.documents.definition import ColumnType, SourceDefinition
from bighead_ci.errors import InputError, Problem
from bighead_ci.features.parquet import schema_of
from bighead_ci.features.source_values import (
    READ,
    REMEDY,
    always_converts,
    exact,
    first_refused,
    fits,
    item_type,
)
from bighead_ci.words import closest


@dataclass(frozen=True)
class View:
    """What is wanted of a source's file."""

    name: str
    """The source's."""
    definition: SourceDefinition
    path: Path
    columns: frozenset[str]

    @property
    def file(self) -> str:
        """Where the source is defined."""
        return f"features/sources/{self.name}.yaml"

    def kind(self, column: str) -> tuple[ColumnType, bool]:
        """A column's declared type, and whether it is a list of it."""
        return self.definition.columns[column], column in self.definition.sizes


def view_of(name: str, definition: SourceDefinition, path: Path, columns: Iterable[str]) -> View:
    """Some columns of a source, and those that say which row it is and when it happened."""
    order = (definition.event_id, definition.timestamp, definition.known_at)
    return View(name, definition, path, frozenset([*columns, *(column for column in order if column is not None)]))


def check_views(views: Sequence[View]) -> None:
    """Compare what is wanted with the files.

    Raises:
        InputError: with every missing file and column, every wrong type, and the first value of each column that does
            not convert.
    """
    problems = [problem for view in views for problem in _problems(view)]
    if problems:
        raise InputError(problems)
    wanted = {(view.path, column, *view.kind(column)): view for view in views for column in sorted(view.columns)}
    problems = [problem for (_, column, *_), view in wanted.items() for problem in _value_problems(view, column)]
    if problems:
        raise InputError(problems)


def read_source(view: View) -> pa.Table:
    """The columns that are wanted, in their order by name.

    Raises:
        InputError: as `check_views`.
    """
    check_views([view])
    names = sorted(view.columns)
    with view.path.open("rb") as file:
        rows = pq.ParquetFile(file).read(names)
    return pa.table({name: _converted(view, name, rows.column(name)) for name in names})


def _converted(view: View, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind, lists = view.definition.columns[name], name in view.definition.sizes
    return pa.chunked_array([exact(column.combine_chunks(), kind, lists=lists)])


def _problems(view: View) -> Iterator[Problem]:
    definition = view.definition
    for column in sorted(view.columns - definition.columns.keys()):
        yield Problem(
            file=view.file,
            subject=f"columns.{column}",
            message="the source declares no such column",
            value=column,
            allowed=", ".join(definition.columns),
            suggestion=closest(column, definition.columns),
        )
    schema = _schema(view)
    if isinstance(schema, Problem):
        yield schema
        return
    for column in sorted(view.columns & definition.columns.keys()):
        yield from _column_problems(view, column, schema)


def _schema(view: View) -> pa.Schema | Problem:
    def problem(message: str, there: Sequence[str] = ()) -> Problem:
        return Problem(
            file=view.file,
            subject="path",
            message=message,
            value=view.definition.path,
            allowed=", ".join(there) or None,
            suggestion=closest(view.path.name, there),
        )

    if view.path.is_dir():
        return problem("is a directory; a source is one Parquet file: write its rows into one file")
    if not view.path.is_file():
        folder = view.path.parent
        there = sorted(one.name for one in folder.iterdir() if one.suffix == ".parquet") if folder.is_dir() else []
        return problem("the data file does not exist (`dvc pull` or `dvc repro` brings it)", there)
    try:
        return schema_of(view.path)
    except (pa.ArrowInvalid, OSError) as error:
        return problem(f"the data file is not Parquet: {error}")


def _column_problems(view: View, column: str, schema: pa.Schema) -> Iterator[Problem]:
    def problem(message: str, value: str, allowed: str, suggestion: str | None = None) -> Problem:
        where = f"columns.{column}"
        return Problem(
            file=view.file, subject=where, message=message, value=value, allowed=allowed, suggestion=suggestion
        )

    path = view.definition.path
    if column not in schema.names:
        message = f"the data file {path} has no such column"
        yield problem(message, column, ", ".join(schema.names), closest(column, schema.names))
        return
    if schema.names.count(column) > 1:
        yield problem(f"the data file {path} has several columns of this name", column, "one")
        return
    kind, lists = view.kind(column)
    found = schema.field(column).type
    if not fits(item_type(found, lists=lists), kind) or (lists and item_type(found) == item_type(found, lists=True)):
        allowed = f"lists of {kind}: {READ[kind]}" if lists else f"{kind}: {READ[kind]}"
        yield problem(f"the data file {path} has another type", str(found), allowed)


def _value_problems(view: View, column: str) -> Iterator[Problem]:
    """The first value that does not convert; the file is read only where there may be one."""
    kind, lists = view.kind(column)
    with view.path.open("rb") as file:
        data = pq.ParquetFile(file)
        if always_converts(item_type(data.schema_arrow.field(column).type, lists=lists), kind):
            return
        before = 0
        for group in range(data.num_row_groups):
            try:
                values = data.read_row_group(group, [column]).column(0).combine_chunks()
            except (pa.ArrowInvalid, OSError) as error:
                message = f"the data file {view.definition.path} cannot be read: {error}"
                yield Problem(file=view.file, subject=f"columns.{column}", message=message)
                return
            refused = _refused(values, lambda part: exact(part, kind, lists=lists))
            if refused is not None:
                yield Problem(
                    file=view.file,
                    subject=f"columns.{column}",
                    message=f"row {before + refused + 1:,} of {view.definition.path} has no exact {kind}",
                    value=_shown(values.slice(refused, 1)),
                    allowed=REMEDY[kind],
                )
                return
            before += len(values)


def _refused(values: pa.Array, convert: Callable[[pa.Array], object]) -> int | None:
    """The first of the values that does not convert; None if all do."""
    try:
        convert(values)
    except pa.ArrowInvalid:
        return first_refused(len(values), lambda rows: convert(values.slice(0, rows)))
    return None


def _shown(one: pa.Array) -> str:
    """A value as text, also one that Python's types cannot hold."""
    try:
        return str(one.cast(pa.string())[0])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return str(one[0])
