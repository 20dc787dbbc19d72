"""A small source of events, a spine, and a model over them, whose training set is plain to see."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bighead_ci.documents.definition import (
    Aggregation,
    FeatureUse,
    Label,
    RequestField,
    SourceDefinition,
    VersionedFeatureSet,
)
from bighead_ci.documents.record import TrainingSetSummary
from bighead_ci.documents.stage import TimeRanges, TrainingSetSpec
from bighead_ci.ports.offline_store import OfflineStore
from oracles.events import SOURCE, feature_set, write_events

START = datetime(2013, 9, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SET = feature_set(Aggregation(column="n", operations=["last", "count"], windows=["12h"]))
SPINE = SourceDefinition(
    owner="tests",
    path="spine.parquet",
    columns={"id": "int64", "at": "timestamp", "k": "string", "d": "int64", "place": "string"},
    timestamp="at",
    event_id="id",
)


def model(**changes: Any) -> TrainingSetSpec:
    spec = TrainingSetSpec(
        model="m",
        version="v1",
        spine="spine",
        label=Label(source="events", column="n", offset="2h"),
        split=TimeRanges(train=(START, START + 4 * HOUR), evaluate=(START + 5 * HOUR, START + 24 * HOUR)),
        as_of=START + 10 * HOUR,
        request={
            "carrier": RequestField(type="string", column="k", use="lookup"),
            "distance": RequestField(type="float64", column="d"),
        },
        slices=["carrier", "place"],
        features=[FeatureUse(set="events/v1", keys={"k": "carrier"})],
        sets=[],
        sources={},
    )
    return spec.model_copy(update=changes)


def training_set(
    store: OfflineStore,
    spec: TrainingSetSpec,
    sets: list[VersionedFeatureSet],
    sources: Mapping[str, tuple[SourceDefinition, Path]],
    destination: Path,
) -> TrainingSetSummary:
    """Compute a training set of the sources' files."""
    definitions = {name: definition for name, (definition, _) in sources.items()}
    told = spec.model_copy(update={"sets": sets, "sources": definitions})
    return store.training_set(told, {name: path for name, (_, path) in sources.items()}, destination)


def microseconds(hours: float) -> int:
    return int((START + hours * HOUR).timestamp()) * 1_000_000


def write_sources(directory: Path) -> dict[str, Any]:
    """Events 0..9, one an hour; n is the hour; known half an hour later; event 3 never known, 7's label null."""
    events = [
        {
            "id": hour,
            "at": microseconds(hour),
            "known": None if hour == 3 else microseconds(hour + 0.5),
            "k": "UA",
            "n": None if hour == 7 else hour,
        }
        for hour in range(10)
    ]
    spine = pa.table(
        {
            "id": pa.array(range(12), pa.int64()),
            "at": pa.array([microseconds(hour) for hour in range(12)], pa.timestamp("us", tz="UTC")),
            "k": pa.array(["UA", None] + ["UA"] * 9 + ["AA"]),
            "d": pa.array(range(0, 120, 10), pa.int64()),
            "place": pa.array(["x", "y"] * 6),
        }
    )
    pq.write_table(spine, directory / "spine.parquet")
    return {
        "events": (SOURCE, write_events(directory / "events.parquet", events)),
        "spine": (SPINE, directory / "spine.parquet"),
    }
