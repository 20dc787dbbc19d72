"""What a Parquet or CSV file holds that somebody brings: decided once, shown, and written as a source's columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from bighead_ci.documents.definition import ColumnType
from bighead_ci.errors import InputError
from bighead_ci.features.parquet import read_file
from bighead_ci.features.source_values import exact, fits, item_type

SUFFIXES = (".csv", ".parquet")
EVENT_ID_TYPES: tuple[ColumnType, ...] = ("int64", "string")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_TEXT_FORMS: dict[ColumnType, str] = {
    "bool": r"^(true|false|True|False|TRUE|FALSE)$",
    "int64": r"^(0|-?[1-9][0-9]*)$",
    "float64": r"^[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?$",
    "timestamp": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}",
}
"""How all texts of a CSV column look if they are values of a type: `007` is no number, and `yes` is no truth."""
_ORDER: tuple[ColumnType, ...] = ("bool", "int64", "float64", "timestamp", "string")
"""Types to try, the narrowest first; text only where nothing else holds all values."""
_STORED: dict[ColumnType, list[pa.DataType]] = {
    "bool": [pa.bool_()],
    "int64": [pa.int64()],
    "float64": [pa.float64()],
    "timestamp": [pa.timestamp("us"), pa.timestamp("us", "UTC")],
}
"""Types of values that texts become; a time has a zone in every row or in none."""
_LARGE_WHOLE = r"^-?[0-9]{16,}$"
_LARGEST_WHOLE = 2.0**53
"""From here on float64 holds only some of the whole numbers."""
_LISTS = "lists are read only where every list of the column has the same length"


@dataclass(frozen=True)
class DataColumn:
    """A column that can be read."""

    name: str
    kind: ColumnType
    stored: pa.DataType
    """The type that it has in the file, or that its texts become."""
    size: int | None = None
    """Length of every list; None: a scalar."""
    unique: bool = False
    """No value twice, and none missing."""


@dataclass(frozen=True)
class DataFile:
    """What can be read of a file, and what cannot."""

    path: Path
    columns: tuple[DataColumn, ...]
    left_out: Mapping[str, str]
    """Column → why."""

    @property
    def is_csv(self) -> bool:
        """Whether it holds texts, which the declared types turn to values."""
        return self.path.suffix.lower() == ".csv"

    @property
    def event_ids(self) -> list[str]:
        """Columns that can say which row it is."""
        return [one.name for one in self.columns if one.unique and one.kind in EVENT_ID_TYPES and one.size is None]

    @property
    def times(self) -> list[str]:
        """Columns that can say when it happened."""
        return [one.name for one in self.columns if one.kind == "timestamp" and one.size is None]


def describe(path: Path, declared: Mapping[str, ColumnType]) -> DataFile:
    """The columns of a file with the first type that holds every value, or the declared one.

    Raises:
        InputError: the file cannot be read, or a declared column is not there or does not hold such values.
    """
    table = _read(path, declared)
    found, left_out = list[DataColumn](), dict[str, str]()
    for name in dict.fromkeys(table.column_names):
        one = _describe(table, name, declared.get(name))
        if isinstance(one, DataColumn):
            found.append(one)
        else:
            left_out[name] = one
    wrong = [f"--column {name}:{kind}: {left_out[name]}" for name, kind in declared.items() if name in left_out]
    wrong += [
        f"--column {name}: {path} has no such column; it has {', '.join(table.column_names)}"
        for name in declared
        if name not in table.column_names
    ]
    if not found and not wrong:
        wrong = [f"{path} has no column that can be read: {'; '.join(f'{n}: {why}' for n, why in left_out.items())}"]
    if wrong:
        raise InputError("\n".join(wrong))
    return DataFile(path, tuple(found), left_out)


def _read(path: Path, declared: Mapping[str, ColumnType]) -> pa.Table:
    """All columns."""
    suffix = path.suffix.lower()
    if not path.is_file() or suffix not in SUFFIXES:
        what = "is a directory" if path.is_dir() else "is no file" if not path.exists() else "is of another kind"
        raise InputError(f"--from {path} {what}: give one file whose name ends in {' or '.join(SUFFIXES)}")
    try:
        return read_file(path) if suffix == ".parquet" else _typed(_texts(path), declared)
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError, UnicodeDecodeError, csv.Error) as error:
        kind = "Parquet" if suffix == ".parquet" else "CSV (UTF-8, commas, one header row)"
        raise InputError(f"{path} cannot be read as {kind}: {error}") from error


def _typed(texts: pa.Table, declared: Mapping[str, ColumnType]) -> pa.Table:
    """Texts as values of the first type of which all of them are; where they are not of the declared one, texts."""
    names = texts.column_names
    columns = [
        _values(texts.column(number).combine_chunks(), [declared[name]] if name in declared else _ORDER)
        for number, name in enumerate(names)
    ]
    return pa.table(columns, names=names)


def _values(texts: pa.Array, kinds: Sequence[ColumnType]) -> pa.Array:
    for kind in kinds:
        form = _TEXT_FORMS.get(kind)
        if form is None or not pc.all(pc.match_substring_regex(texts, form)).as_py():
            continue
        for stored in _STORED[kind]:
            try:
                values = texts.cast(stored)
            except pa.ArrowInvalid:
                continue
            if kind != "float64" or _as_written(texts, values):
                return values
    return texts


def _as_written(texts: pa.Array, floats: pa.Array) -> bool:
    """Whether no text became infinite, and no whole number its neighbour: of two ids would be one."""
    large = pc.fill_null(pc.match_substring_regex(texts, _LARGE_WHOLE), fill_value=False)
    whole = pc.less(pc.abs(floats.filter(large)), _LARGEST_WHOLE)
    return bool(pc.all(pc.is_finite(floats), min_count=0).as_py() and pc.all(whole, min_count=0).as_py())


def _texts(path: Path) -> pa.Table:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file), [])
    if len(header) == 1 and re.search(r"[;\t|]", header[0]):
        raise InputError(f"{path}: its header has no comma; write it with commas (pandas: to_csv) and give that")
    return pa_csv.read_csv(
        path,
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), null_values=[""], strings_can_be_null=True
        ),
    )


def _describe(table: pa.Table, name: str, declared: ColumnType | None) -> DataColumn | str:
    """A column, or why it cannot be read."""
    if not _NAME.fullmatch(name):
        return "a name has letters, digits and _, and no digit first: rename it in the file"
    if table.column_names.count(name) > 1:
        return "several columns have this name"
    column = table.column(name).combine_chunks()
    if column.null_count == len(column):
        return "no row has a value"
    why = f"no source has columns of type {column.type}"
    for kind in [declared] if declared else _ORDER:
        try:
            return _column(name, column, kind)
        except _AnotherTypeError:
            continue
        except pa.ArrowInvalid as error:
            why = f"its values are no exact {kind}: {error}"
    return f"its type is {column.type}, and not {declared}" if declared and why.startswith("no source") else why


def _column(name: str, column: pa.Array, kind: ColumnType) -> DataColumn:
    """The column read as a type.

    Raises:
        ArrowInvalid: a value is none of that type.
    """
    size = _size(column)
    item = item_type(column.type, lists=size is not None)
    decimal = pa.types.is_decimal(item) and item.scale > 0
    if pa.types.is_null(item) or not fits(item, kind) or (kind == "int64" and decimal):
        raise _AnotherTypeError
    values = exact(column, kind, lists=size is not None)
    unique = size is None and values.null_count == 0 and pc.count_distinct(values).as_py() == len(values)
    return DataColumn(name, kind, column.type, size, unique)


class _AnotherTypeError(Exception):
    """A column's type is not that of a declaration, whatever its values are."""


def _size(column: pa.Array) -> int | None:
    """The length of every list; None for scalars."""
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        return len(column[0]) if pa.types.is_fixed_size_list(column.type) else None
    sizes = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(sizes) != 1 or not sizes[0]:
        raise pa.ArrowInvalid(f"{_LISTS}, and here they have {sorted(one or 0 for one in sizes)[:5]}")
    return int(sizes[0])
