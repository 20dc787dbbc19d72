"""An offline store in memory: pyarrow reads and sorts, the kernel is called with Arrow, no engine is near."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bighead_ci.documents.base import Moment, epoch_us, moment_of
from bighead_ci.documents.definition import SourceDefinition, VersionedFeatureSet
from bighead_ci.documents.record import TrainingSetSummary
from bighead_ci.documents.stage import TrainingSetSpec
from bighead_ci.errors import InputError
from bighead_ci.features.arrow import ARROW_TYPES, features_at, microseconds_of, numbered, sorted_events
from bighead_ci.features.materialized import key_bytes, key_rows, publish, set_plans, stamp_of
from bighead_ci.features.meaning import Feature, features_of, used_features
from bighead_ci.features.naming import full_name
from bighead_ci.features.source_files import read_source, view_of
from bighead_ci.features.training_rows import (
    JoinedRows,
    select_rows,
    spine_column,
    spine_columns,
    summary_of,
    training_table,
)
from bighead_ci.ports.offline_store import Sources
from bighead_ci.ports.online_store import OnlineStore


class MemoryOfflineStore:
    """`OfflineStore` over whole tables in memory."""

    def training_set(self, spec: TrainingSetSpec, files: Mapping[str, Path], destination: Path) -> TrainingSetSummary:
        """Join, select, look features up, write."""
        needed = {spec.spine: spine_columns(spec)}
        needed.setdefault(spec.label.source, set()).add(spec.label.column)
        tables = {name: _read(name, spec.sources[name], files[name], needed[name]) for name in needed}
        rows = select_rows(spec, _joined(spec, tables))
        features: dict[str, pa.ChunkedArray] = {}
        for use, feature_set in zip(spec.features, spec.sets, strict=True):
            if rows.times is None:
                raise InputError(f"{spec.id}: features need a spine with a timestamp; {spec.spine} has none")
            keys = [rows.spine.column(spine_column(spec, use.keys.get(k, k))) for k in feature_set.definition.key]
            source = files[feature_set.definition.source]
            before = None if spec.as_of is None else epoch_us(spec.as_of)
            found = _features(feature_set, used_features(feature_set, use.columns), source, keys, rows.times, before)
            features |= {name: pa.chunked_array([column]) for name, column in found.items()}
        table = training_table(spec, rows, features)
        destination.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, destination)
        return summary_of(spec, rows, features, {})

    def features_at(
        self,
        feature_set: VersionedFeatureSet,
        sources: Sources,
        keys: Mapping[str, Sequence[Any]],
        timestamps: Sequence[int],
        known_before: int | None = None,
    ) -> dict[str, list[Any]]:
        """Every feature of the set."""
        columns = [
            pa.chunked_array([pa.array(keys[key], ARROW_TYPES[feature_set.source.columns[key]])])
            for key in feature_set.definition.key
        ]
        path = sources[feature_set.definition.source][1]
        moments = np.array(timestamps, np.int64)
        found = _features(feature_set, features_of(feature_set), path, columns, moments, known_before)
        return {name: column.to_pylist() for name, column in found.items()}

    def materialize(
        self, sets: Sequence[VersionedFeatureSet], sources: Sources, until: Moment, online: OnlineStore
    ) -> int:
        """Publish each set."""
        return sum(self._publish(one, sources[one.definition.source][1], epoch_us(until), online) for one in sets)

    def newest(self, source: SourceDefinition, file: Path, before: Moment) -> Moment | None:
        """The greatest of the times."""
        found = _newest(source, read_source(view_of("", source, file, [])), epoch_us(before))
        return None if found is None else moment_of(found)

    def _publish(self, feature_set: VersionedFeatureSet, path: Path, until: int, online: OnlineStore) -> int:
        data = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        stamp = stamp_of(feature_set, until, data)
        plans = set_plans(feature_set)
        rows = _known(feature_set.source, _events(feature_set, path), until)
        own = [rows.column(name) for name in feature_set.definition.key]
        groups = numbered(own)
        events = sorted_events(feature_set, [plan.column for plan in plans], rows, groups, ids=True)
        firsts = {group: row for row, group in reversed(list(enumerate(groups.tolist())))}
        keyed = key_rows(
            plans, events, until, stamp, lambda group: key_bytes([column[firsts[group]].as_py() for column in own])
        )
        newest = _newest(feature_set.source, rows, until)
        return publish(online, feature_set, until=until, stamp=stamp, data=data, newest=newest, rows=keyed)


def _features(
    feature_set: VersionedFeatureSet,
    features: Sequence[Feature],
    path: Path,
    keys: Sequence[pa.ChunkedArray],
    moments: np.ndarray[Any, np.dtype[np.int64]],
    before: int | None,
) -> dict[str, pa.Array]:
    rows = _events(feature_set, path)
    rows = rows if before is None else _known(feature_set.source, rows, before)
    found = features_at(feature_set, features, rows, keys, moments)
    return {full_name(feature_set.name, name): column for name, column in found.items()}


def _events(feature_set: VersionedFeatureSet, path: Path) -> pa.Table:
    columns = {*feature_set.definition.key, *(feature.column for feature in features_of(feature_set))}
    return _read(feature_set.definition.source, feature_set.source, path, columns)


def _newest(source: SourceDefinition, rows: pa.Table, before: int) -> int | None:
    if source.timestamp is None:
        return None
    times = _known(source, rows, before).column(source.timestamp)
    found: int | None = pc.max(microseconds_of(times)).as_py()
    return found


def _known(source: SourceDefinition, rows: pa.Table, before: int) -> pa.Table:
    known = microseconds_of(rows.column(source.known_at or source.timestamp))
    return rows.filter(pc.fill_null(pc.less(known, before), fill_value=False))


def _read(name: str, source: SourceDefinition, path: Path, columns: set[str]) -> pa.Table:
    """The columns that are needed, checked; a row each event id."""
    table = read_source(view_of(name, source, path, columns))
    ids = table.column(source.event_id)
    if ids.null_count or len(pc.unique(ids)) != len(ids):
        raise InputError(f"source {name}: event_id {source.event_id} must be unique and not null")
    return table


def _joined(spec: TrainingSetSpec, tables: Mapping[str, pa.Table]) -> JoinedRows:
    spine, label = spec.sources[spec.spine], spec.sources[spec.label.source]
    rows, labels = tables[spec.spine], tables[spec.label.source]
    places = pc.index_in(rows.column(spine.event_id), labels.column(label.event_id))

    def of_label(name: str) -> pa.ChunkedArray:
        return labels.column(name).take(places)

    known = None
    if label.known_at:
        known = microseconds_of(of_label(label.known_at))
    elif label.timestamp:
        known = microseconds_of(of_label(label.timestamp))
    return JoinedRows(
        spine=rows.select(sorted(spine_columns(spec))),
        event_id=rows.column(spine.event_id),
        times=microseconds_of(rows.column(spine.timestamp)) if spine.timestamp else None,
        label=of_label(spec.label.column),
        label_known=known,
    )
