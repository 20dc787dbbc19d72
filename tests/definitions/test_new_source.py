"""`bighead new source --from`: a file that somebody has becomes a source, and nothing of it is guessed in silence."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from bighead_ci.cli.authoring import new_command
from bighead_ci.definitions.check import check_tree
from bighead_ci.definitions.loading import load_source
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.errors import InputError
from bighead_ci.features.data_file import describe
from bighead_ci.features.source_files import read_source, view_of

CSV = """\
order,sku,at,placed,price,paid,note,empty,weird-name
1,007,2026-03-01T10:00:00Z,2026-03-01,9.5,true,yes,,1
2,008,2026-03-01T11:00:00+02:00,2026-03-02,10,false,no,,2
3,,2026-03-01T12:00:00.25Z,2026-03-03,,true,"a, b",,3
"""
CHOSEN = ("--owner", "shop", "--event-id", "order", "--timestamp", "at")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with nothing in it but a stage of another source, with a comment."""
    directory = tmp_path / "repository"
    directory.mkdir()
    pipeline = "# Ours.\nstages:\n  import_other:  # kept\n    cmd: python other.py\n    outs:\n      - other.parquet\n"
    (directory / "dvc.yaml").write_text(pipeline)
    return directory


def new(checkout: Path, *arguments: str) -> Result:
    return CliRunner().invoke(new_command, [*arguments, "--checkout", str(checkout)])


def from_file(checkout: Path, data: Path, *arguments: str) -> dict[str, Any]:
    done = new(checkout, "source", "orders", "--from", str(data), *arguments, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.output)
    return found


def written(checkout: Path, data: str) -> Path:
    file = checkout.parent / data
    file.write_text(CSV)
    return file


def imported(checkout: Path) -> pa.Table:
    """The rows as everything that trains reads them, after the stage's command ran as DVC runs it."""
    command = [sys.executable, "features/sources/import_orders.py"]
    subprocess.run(command, cwd=checkout, check=True)
    source = load_source(DirectoryTree(checkout), "orders")
    return read_source(view_of("orders", source, checkout / "features/sources/orders.parquet", source.columns))


def test_a_csv_file_becomes_a_source_with_types_that_hold_every_row(checkout: Path) -> None:
    """`007` stays text, `yes` is no truth, zones are kept; what cannot be read is named with the reason."""
    answer = from_file(checkout, written(checkout, "orders.csv"), *CHOSEN)
    expected = {"order": "int64", "sku": "string", "at": "timestamp", "placed": "timestamp", "price": "float64"}
    assert answer["columns"] == expected | {"paid": "bool", "note": "string"}
    assert answer["left_out"] == {
        "empty": "no row has a value",
        "weird-name": "a name has letters, digits and _, and no digit first: rename it in the file",
    }
    assert check_tree(DirectoryTree(checkout)) == []
    rows = imported(checkout).to_pydict()
    assert rows["sku"] == ["007", "008", None]
    assert rows["at"][1] == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert rows["at"][2].microsecond == 250_000
    assert rows["placed"][0] == datetime(2026, 3, 1, tzinfo=UTC)
    assert (rows["price"], rows["paid"]) == ([9.5, 10.0, None], [True, False, True])
    assert rows["note"][2] == "a, b"


def test_a_parquet_file_becomes_a_source_of_the_columns_that_are_read_exactly(checkout: Path) -> None:
    """Nanoseconds of pandas, dates, decimals, categories and lists of one length; no structs, no other lists."""
    file = checkout.parent / "mine.parquet"
    columns = {
        "order": pa.array([1, 2], pa.uint16()),
        "at": pa.array([1_000, 2_000], pa.timestamp("ns")),
        "day": [date(2026, 1, 1), date(2026, 1, 2)],
        "price": [Decimal("1.00"), Decimal("2.00")],
        "shop": pa.array(["a", "b"]).dictionary_encode(),
        "pixels": [[1.0, 2.0], [3.0, 4.0]],
        "words": [["a"], ["a", "b"]],
        "huge": pa.array([2**64 - 1, 2**53 + 1], pa.uint64()),
        "nested": [{"a": 1}, {"a": 2}],
    }
    pq.write_table(pa.table(columns), file)
    answer = from_file(checkout, file, *CHOSEN)
    expected = {"order": "int64", "at": "timestamp", "day": "timestamp", "price": "float64", "shop": "string"}
    assert answer["columns"] == expected | {"pixels": "float64"}
    assert {*answer["left_out"]} == {"words", "huge", "nested"}
    assert "every list of the column has the same length" in answer["left_out"]["words"]
    assert "struct" in answer["left_out"]["nested"]
    assert imported(checkout)["pixels"].to_pylist() == [[1.0, 2.0], [3.0, 4.0]]


def test_the_root_pipeline_gets_the_stage_and_keeps_what_people_wrote(checkout: Path) -> None:
    """Comments and other stages stay; a file outside is copied to where git ignores it, one inside stays there."""
    answer = from_file(checkout, written(checkout, "orders.csv"), *CHOSEN)
    text = (checkout / "dvc.yaml").read_text()
    assert text.startswith(
        "# Ours.\nstages:\n  import_other:  # kept\n    cmd: python other.py\n    outs:\n      - other"
    )
    assert "    deps:\n      - features/sources/import_orders.py\n      - features/sources/raw/orders.csv\n" in text
    assert (checkout / answer["data"]).read_text() == CSV
    (checkout / "data").mkdir()
    (checkout / "data" / "inside.csv").write_text(CSV)
    done = new(checkout, "source", "more", "--from", str(checkout / "data/inside.csv"), *CHOSEN)
    assert done.exit_code == 0, done.output
    assert "      - data/inside.csv\n" in (checkout / "dvc.yaml").read_text()
    assert [one.name for one in (checkout / "features/sources/raw").iterdir()] == ["orders.csv"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give --event-id: a column that is unique and never null; of these: order, note"),
        (
            (),
            "give --timestamp: a column that says when the event happened (else give --no-timestamp); of these: at, pl",
        ),
        (("--event-id", "sku"), "--event-id sku is none that is unique and never null; of these: order, note"),
        (("--event-id", "order", "--timestamp", "price"), "--timestamp price is none that says when"),
        (("--event-id", "order", "--no-timestamp", "--known-at", "at"), "--no-timestamp goes with neither"),
        (("--column", "sku:int64"), "--column sku:int64: its type is string, and not int64"),
        (("--column", "skv:string"), "--column skv: "),
    ],
)
def test_what_is_not_said_is_asked_for_and_nothing_is_written(
    checkout: Path, arguments: tuple[str, ...], words: str
) -> None:
    """The error lists the candidates, and what every column holds."""
    before = sorted(checkout.rglob("*"))
    data = written(checkout, "orders.csv")
    done = new(checkout, "source", "orders", "--from", str(data), "--owner", "shop", *arguments)
    assert done.exit_code == 2
    assert words in done.output
    assert sorted(checkout.rglob("*")) == before


def test_a_column_given_beside_the_file_has_the_type_that_was_given(checkout: Path) -> None:
    """A number that only names something is text, if a person says so; the import reads it so."""
    data = written(checkout, "orders.csv")
    answer = from_file(checkout, data, *CHOSEN, "--column", "order:string", "--column", "price:string")
    assert (answer["columns"]["order"], answer["columns"]["price"]) == ("string", "string")
    assert imported(checkout)["price"].to_pylist() == ["9.5", "10", None]


def test_rows_without_a_time_are_a_source_too(checkout: Path) -> None:
    """`--no-timestamp` says that nobody forgot it."""
    from_file(checkout, written(checkout, "orders.csv"), "--owner", "x", "--event-id", "order", "--no-timestamp")
    assert load_source(DirectoryTree(checkout), "orders").timestamp is None


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("orders.csv", "a;b\n1;2\n", "its header has no comma"),
        ("orders.csv", "a,b\n1\n", "cannot be read as CSV"),
        ("orders.parquet", "text", "cannot be read as Parquet"),
        ("orders.xlsx", "text", "give one file whose name ends in .csv or .parquet"),
        ("orders.csv", "a,b\n", "has no column that can be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_what_can_be(checkout: Path, name: str, text: str, words: str) -> None:
    """Another dialect, a broken file, another kind of file, a file without rows."""
    (checkout.parent / name).write_text(text)
    done = new(checkout, "source", "orders", "--from", str(checkout.parent / name), *CHOSEN)
    assert done.exit_code == 2
    assert words in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("model", "late"), "there is no source yet: begin with `bighead new source`"),
        (("model", "late", "--from", "other"), "there is no model 'other' to copy"),
        (("model", "late", "--source", "bags", "--label", "late"), "begin with `bighead new source`"),
        (("feature-set", "late"), "there is no source yet: begin with `bighead new source`"),
        (("feature-set", "late", "--source", "bags", "--key", "a"), "begin with `bighead new source`"),
        (("source", "bags", "--owner", "x"), "give --from FILE.parquet"),
    ],
)
def test_from_nothing_each_command_says_the_next_step_in_options_that_exist(
    checkout: Path, arguments: tuple[str, ...], words: str
) -> None:
    """In a repository without models, feature sets and sources."""
    done = new(checkout, *arguments)
    assert done.exit_code == 2
    assert words in done.output
    known = {name for command in new_command.commands.values() for one in command.params for name in one.opts}
    assert {*re.findall(r"--[a-z-]+", done.output)} <= known


def test_a_number_that_no_type_holds_stays_text(tmp_path: Path) -> None:
    """Of ids of twenty digits two would become one float64, and what is too large for it would be infinite."""
    path = tmp_path / "a.csv"
    path.write_text(
        "id,mixed,least,huge,plain,exponent\n"
        "12345678901234567890,9007199254740993,-9007199254740993,1e400,9007199254740991,12345678901234567890.0\n"
        "12345678901234567891,0.5,0.5,1.0,0.5,1e300\n"
    )
    found = {one.name: (one.kind, one.unique) for one in describe(path, {}).columns}
    assert found == {
        "id": ("string", True),
        "mixed": ("string", True),
        "least": ("string", True),
        "huge": ("string", True),
        "plain": ("float64", True),
        "exponent": ("float64", True),
    }
    with pytest.raises(InputError, match=r"--column huge:float64: .* not float64"):
        describe(path, {"huge": "float64"})
