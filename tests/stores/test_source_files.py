"""Data as people have them: what converts exactly is read, by pyarrow and DuckDB alike; the rest is refused by row."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bighead_ci.documents.definition import ColumnType, SourceDefinition
from bighead_ci.errors import InputError
from bighead_ci.features.source_files import View, read_source, view_of
from bighead_ci.stores.source_table import source_table

T = 1_380_585_600_000_000
"""2013-10-01 in microseconds."""


def moments(unit: str, zone: str | None, *values: int | None) -> pa.Array:
    return pa.array(values, pa.int64()).cast(pa.timestamp(unit, zone))


def view(tmp_path: Path, kind: ColumnType, column: pa.Array, *, lists: bool = False) -> View:
    """A file whose column `v` is what is declared, behind one that differs by case alone."""
    rows = len(column)
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table([pa.array([0] * rows), pa.array(range(rows)), column], ["V", "id", "v"]), path)
    definition = SourceDefinition(
        owner="tests",
        path="data.parquet",
        columns={"id": "int64", "v": kind},
        event_id="id",
        sizes={"v": 2} if lists else {},
    )
    return view_of("data", definition, path, ["v"])


def both(found: View) -> list[Any]:
    """The column as pyarrow reads it, after DuckDB was seen to read the same."""
    column = read_source(found).column("v")
    columns = {"c0": "v", "c1": "id"}
    table = source_table(found.path, found.definition, columns)
    with duckdb.connect() as database:
        theirs = [row[0] for row in database.execute(f"SELECT c0 FROM {table} ORDER BY c1").fetchall()]  # noqa: S608 - ours
    kind, lists = found.kind("v")
    ours: list[Any] = (column.cast(pa.int64()) if kind == "timestamp" and not lists else column).to_pylist()
    assert ours == theirs
    return ours


EXACT: list[tuple[ColumnType, pa.Array, list[Any]]] = [
    ("timestamp", moments("s", "UTC", T // 10**6, None), [T, None]),
    ("timestamp", moments("ms", None, T // 10**3, -1), [T, -1000]),
    ("timestamp", moments("us", "America/New_York", T, -1), [T, -1]),
    ("timestamp", moments("ns", "UTC", T * 1000, -1000), [T, -1]),
    ("timestamp", moments("ns", None, T * 1000, None), [T, None]),
    ("timestamp", pa.array([15979, -1, None], pa.date32()), [T, -86_400_000_000, None]),
    ("timestamp", pa.array([T // 1000], pa.date64()), [T]),
    ("timestamp", pa.nulls(2), [None, None]),
    ("int64", pa.array([-128, 127, None], pa.int8()), [-128, 127, None]),
    ("int64", pa.array([2**32 - 1], pa.uint32()), [2**32 - 1]),
    ("int64", pa.array([2**63 - 1, None], pa.uint64()), [2**63 - 1, None]),
    ("int64", pa.array([Decimal("12.00"), None], pa.decimal128(38, 2)), [12, None]),
    ("int64", pa.array([-(2**63), 2**63 - 1], pa.int64()).dictionary_encode(), [-(2**63), 2**63 - 1]),
    ("float64", pa.array([np.float32(0.1), None], pa.float32()), [float(np.float32(0.1)), None]),
    ("float64", pa.array([np.float16(0.5)], pa.float16()), [0.5]),
    ("float64", pa.array([2**53, -3], pa.int64()), [2.0**53, -3.0]),
    ("float64", pa.array([Decimal("0.1"), Decimal("-12345678.9012")], pa.decimal128(38, 10)), [0.1, -12345678.9012]),
    ("float64", pa.array([Decimal("0.07")], pa.decimal128(5, 2)), [0.07]),
    ("string", pa.array(["007", None], pa.large_string()), ["007", None]),
    ("string", pa.array(["007", "ü"], pa.string_view()), ["007", "ü"]),
    ("string", pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
    ("bool", pa.array([True, None]), [True, None]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "column", "expected"), EXACT, ids=lambda one: str(getattr(one, "type", ""))[:30])
def test_what_converts_exactly_is_read(tmp_path: Path, kind: ColumnType, column: pa.Array, expected: list[Any]) -> None:
    """Units, zones, widths, dictionaries and large strings make no difference to the value."""
    assert both(view(tmp_path, kind, column)) == expected


REFUSED: list[tuple[ColumnType, pa.Array, str]] = [
    ("timestamp", moments("ns", "UTC", T * 1000, None, T * 1000 + 1), r"row 3 .* has no exact timestamp.*round"),
    ("timestamp", moments("ms", "UTC", 1, 2**62), r"row 2 .* has no exact timestamp"),
    ("timestamp", pa.array([0, 2**31 - 1], pa.date32()), r"row 2 .* has no exact timestamp"),
    ("int64", pa.array([1, 2**63], pa.uint64()), r"row 2 .* has no exact int64.*9223372036854775808"),
    ("int64", pa.array([Decimal("1.00"), Decimal("1.50")]), r"row 2 .* has no exact int64.*1\.50"),
    ("float64", pa.array([1, 2**53 + 1]), r"row 2 .* has no exact float64.*9007199254740993"),
    ("float64", pa.array([Decimal("0.1"), Decimal("0.1234567890123456")], pa.decimal128(38, 20)), r"row 2 .*float64"),
    ("int64", pa.array([1.0]), r"another type.*double.*integers"),
    ("int64", pa.array(["007"]), r"another type.*string"),
    ("string", pa.array([7]), r"another type.*int64"),
    ("string", pa.array([b"a"]), r"another type.*binary"),
    ("timestamp", pa.array([1]), r"another type.*int64"),
    ("bool", pa.array([1]), r"another type"),
    ("float64", pa.array([True]), r"another type"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "column", "words"), REFUSED, ids=lambda one: str(getattr(one, "type", ""))[:30])
def test_what_does_not_convert_is_refused_with_its_row(
    tmp_path: Path, kind: ColumnType, column: pa.Array, words: str
) -> None:
    """The row, the value, what is allowed and what to do."""
    with pytest.raises(InputError, match=words):
        read_source(view(tmp_path, kind, column))


def test_a_row_is_counted_over_all_row_groups(tmp_path: Path) -> None:
    """The number is that of the row in the file."""
    found = view(tmp_path, "timestamp", moments("ns", None, *[0] * 10, 1))
    pq.write_table(pq.ParquetFile(found.path).read(), found.path, row_group_size=4)
    with pytest.raises(InputError, match=r"row 11 of data\.parquet"):
        read_source(found)


def test_lists_convert_as_their_items_do(tmp_path: Path) -> None:
    """A list of float32 is read as float64; nulls stay where they are."""
    column = pa.array([[0.5, 1.5], None, [2.5, 3.5]], pa.large_list(pa.float32()))
    assert both(view(tmp_path, "float64", column, lists=True)) == [[0.5, 1.5], None, [2.5, 3.5]]
    with pytest.raises(InputError, match=r"row 2 .*float64"):
        read_source(view(tmp_path, "float64", pa.array([[1], [2**53 + 1]]), lists=True))


FOLDERS = ("carrier=ZZ/late=1", "a*b?c[1]{x}", "it's; --", "v=1", "[!a]", "ü ~ %41", "id=null")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_path_is_one_literal_file(tmp_path: Path, folder: str) -> None:
    """No folder becomes a column, no letter a pattern: beside files that a pattern would reach, one is read."""
    directory = tmp_path / folder
    directory.mkdir(parents=True)
    found = view(directory, "int64", pa.array([5, 6]))
    name = "d*t?[a].parquet"
    for beside in ("data.parquet", "dXtYa.parquet", "dta.parquet"):
        pq.write_table(pa.table({"id": [7], "v": [9]}), directory / beside)
    (directory / "data.parquet").rename(directory / name)
    pq.write_table(pa.table({"id": [0, 1], "v": [5, 6]}), directory / name)
    assert both(view_of("data", found.definition, directory / name, ["v"])) == [5, 6]


def test_a_directory_and_two_columns_of_one_name_are_named(tmp_path: Path) -> None:
    """A directory that is there is not said to be missing; which of two equal names is meant is nobody's guess."""
    found = view(tmp_path, "int64", pa.array([5]))
    pq.write_table(pa.table([pa.array([1]), pa.array([1]), pa.array([2])], ["id", "v", "v"]), found.path)
    with pytest.raises(InputError, match="several columns of this name"):
        read_source(found)
    found.path.unlink()
    found.path.mkdir()
    with pytest.raises(InputError, match="is a directory"):
        read_source(found)
