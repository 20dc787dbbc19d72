"""Values of a data file as their source declares them: converted exactly, or refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from bighead_ci.documents.definition import ColumnType
from bighead_ci.features.arrow import ARROW_TYPES, TIMESTAMP

DECIMAL_DIGITS = 15
"""A float64 gives any decimal number of so many digits back as it was."""

READ: dict[ColumnType, str] = {
    "int64": "integers of any width, decimals",
    "float64": "floats of any width, integers, decimals",
    "string": "strings, also large, view or dictionary ones",
    "bool": "bools",
    "timestamp": "timestamps in s, ms, us or ns with a zone or in UTC, dates",
}
"""What a column of the file may hold, by the declared type."""
REMEDY: dict[ColumnType, str] = {
    "int64": "whole numbers within int64 are allowed: declare the column float64, or write it in a smaller unit",
    "float64": (
        f"integers up to 2**53 and decimals of {DECIMAL_DIGITS} digits are allowed: declare the column int64, or "
        "write it as float64"
    ),
    "string": "text in UTF-8 is allowed: write it as such",
    "bool": "bools are allowed",
    "timestamp": (
        "whole microseconds between the years -290,307 and 294,246 are allowed: round the column before it is written "
        "(pandas: .dt.round('us'))"
    ),
}
"""What to do about a value that does not convert, by the declared type."""


def item_type(found: pa.DataType, *, lists: bool = False) -> pa.DataType:
    """The type of a column's values: of a list's items if `lists`, without dictionary and extension."""
    if lists and (pa.types.is_list(found) or pa.types.is_large_list(found) or pa.types.is_fixed_size_list(found)):
        return item_type(found.value_type)
    if pa.types.is_dictionary(found):
        return item_type(found.value_type)
    return item_type(found.storage_type) if isinstance(found, pa.BaseExtensionType) else found


def fits(found: pa.DataType, kind: ColumnType) -> bool:
    """Whether values of a type (of `item_type`) may convert to the declared one."""
    types = pa.types
    if types.is_null(found):
        return True
    if kind == "string":
        return bool(types.is_string(found) or types.is_large_string(found) or types.is_string_view(found))
    if kind == "bool":
        return bool(types.is_boolean(found))
    if kind == "timestamp":
        return bool(types.is_timestamp(found) or types.is_date(found))
    whole = types.is_integer(found) or types.is_decimal(found)
    return bool(whole or (kind == "float64" and types.is_floating(found)))


def always_converts(found: pa.DataType, kind: ColumnType) -> bool:
    """Whether every value of a type that `fits` converts, so that none has to be looked at."""
    if pa.types.is_integer(found):
        return bool(found != pa.uint64() if kind == "int64" else found.bit_width <= pa.int32().bit_width)
    return not (pa.types.is_decimal(found) or pa.types.is_date(found)) and (
        not pa.types.is_timestamp(found) or found.unit == "us"
    )


def exact(column: pa.Array, kind: ColumnType, *, lists: bool = False) -> pa.Array:
    """A column's values in the declared type.

    Raises:
        ArrowInvalid: a value has no equal there.
    """
    if lists:
        sizes = pc.fill_null(pc.list_value_length(column), 0).to_pylist()
        ends = pa.array(_running(sizes), pa.int32())
        return pa.ListArray.from_arrays(ends, exact(column.flatten(), kind), mask=column.is_null())
    if isinstance(column, pa.ExtensionArray):
        return exact(column.storage, kind)
    if pa.types.is_dictionary(column.type):
        return exact(column.dictionary_decode(), kind)
    if kind == "timestamp" and not pa.types.is_null(column.type):
        unit = pa.timestamp("us", getattr(column.type, "tz", None))
        return column.cast(unit).cast(pa.int64()).cast(TIMESTAMP)
    if kind == "float64" and pa.types.is_decimal(column.type):
        return _floats(column)
    return column.cast(ARROW_TYPES[kind])


def first_refused(rows: int, convert: Callable[[int], object]) -> int:
    """The first of so many rows that does not convert, where not all do; `convert`: tries so many rows."""
    good, bad = 0, rows
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            convert(middle)
            good = middle
        except pa.ArrowInvalid:
            bad = middle
    return good


def _running(sizes: list[int]) -> list[int]:
    ends = [0]
    for size in sizes:
        ends.append(ends[-1] + size)
    return ends


def _floats(column: pa.Array) -> pa.Array:
    """Decimals as the float64 next to each, found from its text: a division would round twice."""
    if column.type.precision > DECIMAL_DIGITS:
        for value in column.to_pylist():
            if value is not None and _digits(value) > DECIMAL_DIGITS:
                raise pa.ArrowInvalid(f"{value} has more than {DECIMAL_DIGITS} digits")
    return column.cast(pa.string()).cast(pa.float64())


def _digits(value: Decimal) -> int:
    return len(value.normalize().as_tuple().digits)
