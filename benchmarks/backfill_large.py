"""Point-in-time features of 1,000,000 queries over 20,000,000 events of 192,000 keys, with their peak of memory.

Keys are uneven (a few have many events), a quarter of the values becomes known late. Count, sum, mean and maximum over
1, 7 and 30 days, against DuckDB's bare scan and sort of the same columns. Each runs in a process of its own, one after
the other, on a file of about 400 MB that the benchmark writes.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import outcome
from bighead_ci.documents.definition import Aggregation, FeatureSetDefinition, SourceDefinition, VersionedFeatureSet
from bighead_ci.features.batch import compute
from bighead_ci.features.materialized import set_plans
from bighead_ci.features.meaning import features_of
from bighead_ci.stores.limits import Limits
from bighead_ci.stores.scan import connection, register_keys, scan_events

EVENTS, QUERIES, KEYS = 20_000_000, 1_000_000, 192_000
DAY, START = 86_400_000_000, 1_356_998_400_000_000
TIMES = pa.timestamp("us", tz="UTC")
SOURCE = SourceDefinition(
    owner="benchmarks",
    path="events.parquet",
    columns={"id": "int64", "at": "timestamp", "known": "timestamp", "k": "int64", "x": "float64"},
    timestamp="at",
    event_id="id",
    known_at="known",
)
SET = VersionedFeatureSet(
    name="events",
    version="v1",
    source=SOURCE,
    definition=FeatureSetDefinition(
        owner="benchmarks",
        source="events",
        key=["k"],
        aggregations=[Aggregation(column="x", operations=["count", "sum", "mean", "max"], windows=["1d", "7d", "30d"])],
    ),
)


def keys_of(random: np.random.Generator, rows: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Uneven keys: the first ones are the most frequent."""
    return np.asarray((random.random(rows) ** 2 * KEYS).astype(np.int64))


def write_events(directory: Path) -> None:
    """The source's file."""
    random = np.random.default_rng(20)
    at = START + random.integers(0, 365 * DAY, EVENTS)
    late = np.where(random.random(EVENTS) < 0.25, random.integers(0, DAY // 4, EVENTS), 0)
    columns = {
        "id": pa.array(np.arange(EVENTS)),
        "at": pa.array(at).cast(TIMES),
        "known": pa.array(at + late).cast(TIMES),
        "k": pa.array(keys_of(random, EVENTS)),
        "x": pa.array((random.random(EVENTS) * 1000).round(2)),
    }
    pq.write_table(pa.table(columns), directory / "events.parquet")


def scan_and_sort(directory: Path) -> None:
    """What any engine must do first."""
    with connection(Limits()) as database:
        reader = database.sql(
            f'SELECT k, epoch_us("at") AS ts, epoch_us(known) AS known, x '  # noqa: S608 - our own file
            f"FROM read_parquet('{directory / 'events.parquet'}') ORDER BY k, ts, id"
        ).to_arrow_reader(500_000)
        for _ in reader:
            pass


def backfill(directory: Path) -> None:
    """Twelve features at each query."""
    random = np.random.default_rng(21)
    keys, moments = keys_of(random, QUERIES), START + random.integers(30 * DAY, 365 * DAY, QUERIES)
    limits, plans = Limits(), set_plans(SET)
    results = {feature.name: np.full(QUERIES, np.nan) for feature in features_of(SET)}
    with connection(limits) as database:
        groups = register_keys(database, [pa.array(keys)])
        by_group = np.argsort(groups, kind="stable")
        ordered = groups[by_group]
        for events in scan_events(database, SET, directory / "events.parquet", ["x"], limits):
            first = np.searchsorted(ordered, events.groups[0])
            asked = by_group[first : np.searchsorted(ordered, events.groups[-1], side="right")]
            found = compute(plans, events, groups[asked], moments[asked], limits.processors)
            for feature, column in found.items():
                results[feature][asked] = np.where(column.valid, column.data, np.nan)
    if not np.isfinite(results["x_count_30d"]).any():
        raise AssertionError(results)


def measured(action: Callable[[Path], None], directory: Path) -> tuple[float, float, float]:
    """Seconds, processor seconds, and gigabytes of memory at the most, of an action in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_timed, (action, directory))


def _timed(action: Callable[[Path], None], directory: Path) -> tuple[float, float, float]:
    started, spent = time.perf_counter(), time.process_time()
    action(directory)
    seconds, processor = time.perf_counter() - started, time.process_time() - spent
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return round(seconds, 2), round(processor, 2), round(gigabytes, 2)


def measure() -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """The floor twice, with the work between."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        write_events(directory)
        first, first_processor, floor_memory = measured(scan_and_sort, directory)
        ours, processor, memory = measured(backfill, directory)
        second, second_processor, _ = measured(scan_and_sort, directory)
    floor = min(first, second)
    figures = {
        "events": EVENTS,
        "queries": QUERIES,
        "features": 12,
        "scan_and_sort_seconds": [first, second],
        "scan_and_sort_gigabytes": floor_memory,
        "scan_and_sort_processor_seconds": [first_processor, second_processor],
        "backfill_seconds": ours,
        "backfill_processor_seconds": processor,
        "backfill_gigabytes": memory,
        "memory_limit_gigabytes": Limits().memory / 1e9,
    }
    return figures, {
        "backfill_over_scan_and_sort": (round(ours / floor, 2), 2.0),
        "gigabytes": (memory, Limits().memory / 1e9),
    }


if __name__ == "__main__":
    outcome.run("backfill_large", __doc__ or "", measure)
