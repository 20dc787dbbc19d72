"""Point-in-time features of every flight of 2013 against a bare scan and sort of the events, and DuckDB's own windows.

The work: all features of the sets over `departures` (carrier, origin and aircraft), for each flight at its scheduled
departure. Peers in the same run: DuckDB reading and sorting the same columns by key (the floor), and DuckDB's range
windows for the same operations and windows. The peer's work is easier: its windows do not know when a delay became
known, and their left ends are not floored. The whole training set of flight_delay v2 is measured beside them.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks import outcome
from bighead_ci.definitions.files import Files
from bighead_ci.definitions.loading import load_feature_set, load_model
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.documents.definition import VersionedFeatureSet
from bighead_ci.documents.stage import TrainingSetSpec
from bighead_ci.features.batch import compute
from bighead_ci.features.materialized import set_plans
from bighead_ci.features.meaning import features_of
from bighead_ci.planning.meaning import Definitions
from bighead_ci.planning.specs import stage_specs
from bighead_ci.stores.limits import Limits
from bighead_ci.stores.offline import DuckDBOfflineStore
from bighead_ci.stores.scan import connection, register_keys, scan_events

ROOT = Path(__file__).resolve().parent.parent
SETS = ("carrier_delays", "origin_congestion", "tail_history")
REPEATS = 5
SQL = {"count": "count", "sum": "sum", "mean": "avg", "min": "min", "max": "max", "last": "last", "first": "first"}


def import_flights(directory: Path) -> Path:
    """`flights.parquet` and `weather.parquet` in a directory, made as the repository's own stage makes them."""
    script = directory / "import_nycflights13.py"
    shutil.copy2(ROOT / "features/sources" / script.name, script)
    subprocess.run([sys.executable, str(script)], check=True)
    return directory


def scan_and_sort(sets: list[VersionedFeatureSet], flights: Path) -> None:
    """What any engine must do first: read each set's events and sort them by key and time."""
    with connection(Limits()) as database:
        for one in sets:
            columns = sorted({feature.column for feature in features_of(one)})
            key, source = ", ".join(one.definition.key), one.source
            database.sql(
                f"SELECT {key}, epoch_us({source.timestamp}) AS ts, epoch_us({source.known_at}) AS known, "  # noqa: S608
                f"{', '.join(columns)} FROM read_parquet('{flights}') ORDER BY {key}, ts, {source.event_id}"
            ).to_arrow_table()


def backfill(sets: list[VersionedFeatureSet], flights: Path) -> int:
    """Every feature of the sets at every flight, by the kernel; returns how many values."""
    values = 0
    with connection(Limits()) as database:
        for one in sets:
            plans, (key,) = set_plans(one), one.definition.key
            rows = database.sql(
                f"SELECT {key}, epoch_us(sched_dep_at) AS at FROM read_parquet('{flights}')"  # noqa: S608 - ours
            ).to_arrow_table()
            moments = np.ascontiguousarray(rows["at"].to_numpy())
            groups = register_keys(database, [rows[key]])
            for events in scan_events(database, one, flights, [plan.column for plan in plans], Limits()):
                asked = np.flatnonzero((groups >= events.groups[0]) & (groups <= events.groups[-1]))
                found = compute(plans, events, groups[asked], moments[asked], Limits().processors)
                values += sum(len(column.data) for column in found.values())
    return values


def range_windows(sets: list[VersionedFeatureSet], flights: Path) -> int:
    """The same operations over the same windows as DuckDB's window functions; returns how many values."""
    values = 0
    with connection(Limits()) as database:
        for one in sets:
            features, (key,) = features_of(one), one.definition.key
            selected = ", ".join(
                f"{SQL[feature.operation]}({feature.column}) OVER (PARTITION BY {key} ORDER BY sched_dep_at "
                f"RANGE BETWEEN INTERVAL {feature.window} MICROSECONDS PRECEDING "
                f"AND INTERVAL 1 MICROSECOND PRECEDING) AS {feature.name}"
                for feature in features
            )
            found: pa.Table = database.sql(f"SELECT {selected} FROM read_parquet('{flights}')").to_arrow_table()  # noqa: S608
            values += found.num_rows * found.num_columns
    return values


def median_seconds(action: Callable[[], object], repeats: int = REPEATS) -> tuple[float, float]:
    """Median wall and processor seconds of several calls, after one that warms up."""
    action()
    times, processor = [], []
    for _ in range(repeats):
        started, spent = time.perf_counter(), time.process_time()
        action()
        times.append(time.perf_counter() - started)
        processor.append(time.process_time() - spent)
    return round(statistics.median(times), 4), round(statistics.median(processor), 4)


def measure() -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """All on the same file in one process."""
    tree = DirectoryTree(ROOT)
    sets = [load_feature_set(tree, name, "v1") for name in SETS]
    spec = stage_specs(Definitions(Files(tree)), load_model(tree, "flight_delay", "v2"))["training-set"]
    if not isinstance(spec, TrainingSetSpec):
        raise TypeError(spec)
    with tempfile.TemporaryDirectory() as name:
        directory = import_flights(Path(name))
        flights = directory / "flights.parquet"
        files = {name: directory / Path(data.path).name for name, data in spec.data.items()}
        store = DuckDBOfflineStore()
        floor, floor_processor = median_seconds(lambda: scan_and_sort(sets, flights))
        ours, ours_processor = median_seconds(lambda: backfill(sets, flights))
        whole, _ = median_seconds(lambda: store.training_set(spec, files, directory / "set.parquet"))
        peer, _ = median_seconds(lambda: range_windows(sets, flights), repeats=1)
    figures = {
        "features": sum(len(features_of(one)) for one in sets),
        "duckdb_version": duckdb.__version__,
        "scan_and_sort_seconds": floor,
        "scan_and_sort_processor_seconds": floor_processor,
        "backfill_seconds": ours,
        "backfill_processor_seconds": ours_processor,
        "duckdb_range_windows_seconds": peer,
        "training_set_flight_delay_v2_seconds": whole,
        "training_set_over_scan_and_sort": round(whole / floor, 2),
        "times_faster_than_duckdb_range_windows": round(peer / ours, 2),
    }
    return figures, {
        "backfill_over_scan_and_sort": (round(ours / floor, 2), 2.0),
        "backfill_over_duckdb_range_windows": (round(ours / peer, 3), 0.2),
    }


if __name__ == "__main__":
    outcome.run("backfill", __doc__ or "", measure)
