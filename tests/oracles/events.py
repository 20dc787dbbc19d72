"""Small tables to compute features of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bighead_ci.documents.definition import (
    Aggregation,
    FeatureSetDefinition,
    SourceDefinition,
    VersionedFeatureSet,
)

MICROSECONDS = pa.timestamp("us", tz="UTC")
SOURCE = SourceDefinition(
    owner="tests",
    path="events.parquet",
    columns={
        "id": "int64",
        "at": "timestamp",
        "known": "timestamp",
        "k": "string",
        "n": "int64",
        "x": "float64",
        "s": "string",
    },
    timestamp="at",
    event_id="id",
    known_at="known",
)


def feature_set(*aggregations: Aggregation, key: list[str] | None = None, name: str = "events") -> VersionedFeatureSet:
    """A set over `SOURCE`."""
    definition = FeatureSetDefinition(owner="tests", source="events", key=key or ["k"], aggregations=list(aggregations))
    return VersionedFeatureSet(name=name, version="v1", definition=definition, source=SOURCE)


def write_events(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows of `SOURCE` as Parquet; times are microseconds."""
    schema = pa.schema([
        ("id", pa.int64()), ("at", MICROSECONDS), ("known", MICROSECONDS), ("k", pa.string()), ("n", pa.int64()),
        ("x", pa.float64()), ("s", pa.string()),
    ])  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path
