"""The embedded offline store: DuckDB over Parquet, the kernel over Arrow."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bighead_ci.documents.base import Moment, epoch_us, moment_of, replacing
from bighead_ci.documents.definition import SourceDefinition, VersionedFeatureSet
from bighead_ci.documents.record import TrainingSetSummary
from bighead_ci.documents.stage import TrainingSetSpec
from bighead_ci.errors import InputError, Problem
from bighead_ci.features.arrow import ARROW_TYPES, GROUP, array_of, no_events
from bighead_ci.features.batch import Events, compute
from bighead_ci.features.columns import plans_of
from bighead_ci.features.kernel.arrays import GREATEST, I64, LEAST
from bighead_ci.features.materialized import (
    earliest_needed,
    key_bytes,
    key_rows,
    publish,
    set_plans,
    stamp_of,
)
from bighead_ci.features.meaning import Feature, features_of, used_features
from bighead_ci.features.naming import full_name
from bighead_ci.features.source_files import View, check_views, view_of
from bighead_ci.features.training_rows import (
    TrainingRows,
    select_rows,
    spine_column,
    spine_columns,
    summary_of,
    training_table,
)
from bighead_ci.ports.offline_store import Sources
from bighead_ci.ports.online_store import OnlineStore
from bighead_ci.stores.limits import Limits
from bighead_ci.stores.scan import (
    check_unique,
    connection,
    newest_event,
    register_all_keys,
    register_keys,
    scan_events,
)
from bighead_ci.stores.training_set import joined_rows
from bighead_ci.words import closest


class DuckDBOfflineStore:
    """`OfflineStore` on one machine.

    Args:
        limits: memory, spill directory and threads.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()

    def training_set(self, spec: TrainingSetSpec, files: Mapping[str, Path], destination: Path) -> TrainingSetSummary:
        """Write a model version's training set; see the port."""
        sources: dict[str, tuple[SourceDefinition, Path]] = {n: (d, files[n]) for n, d in spec.sources.items()}
        for one in spec.sets:
            sources.setdefault(one.definition.source, (one.source, files[one.definition.source]))
        uses = [(use, one, used_features(one, use.columns)) for use, one in zip(spec.features, spec.sets, strict=True)]
        _check_training_sources(spec, files)
        with connection(self._limits) as database:
            _check_unique(database, sources, sources)
            width = sum(len(asked) for _, _, asked in uses)
            check = partial(self._limits.check_results, spec.id)
            joined = joined_rows(database, spec, sources, lambda count, size: check(count, width, row_bytes=size))
            rows = select_rows(spec, joined)
            features: dict[str, pa.ChunkedArray] = {}
            beyond: Counter[str] = Counter()
            for use, feature_set, asked in uses:
                keys = [
                    rows.spine.column(spine_column(spec, use.keys.get(key, key))) for key in feature_set.definition.key
                ]
                features |= self._features(
                    database,
                    feature_set,
                    asked,
                    sources,
                    keys=keys,
                    timestamps=_times(spec, rows),
                    known_before=None if spec.as_of is None else epoch_us(spec.as_of),
                    beyond=beyond,
                )
        _write(training_table(spec, rows, features), destination)
        return summary_of(spec, rows, features, beyond)

    def features_at(
        self,
        feature_set: VersionedFeatureSet,
        sources: Sources,
        keys: Mapping[str, Sequence[Any]],
        timestamps: Sequence[int],
        known_before: int | None = None,
    ) -> dict[str, list[Any]]:
        """Feature values for rows of keys and query times; see the port."""
        check_views([_view(feature_set, sources)])
        columns = [
            pa.array(keys[key], ARROW_TYPES[feature_set.source.columns[key]]) for key in feature_set.definition.key
        ]
        with connection(self._limits) as database:
            _check_unique(database, [feature_set.definition.source], sources)
            found = self._features(
                database,
                feature_set,
                features_of(feature_set),
                sources,
                keys=columns,
                timestamps=np.array(timestamps, np.int64),
                known_before=known_before,
                beyond=Counter(),
            )
        return {name: column.to_pylist() for name, column in found.items()}

    def materialize(
        self, sets: Sequence[VersionedFeatureSet], sources: Sources, until: Moment, online: OnlineStore
    ) -> int:
        """Publish the sets to an online store; see the port."""
        check_views([_view(feature_set, sources) for feature_set in sets])
        needed = {feature_set.definition.source for feature_set in sets}
        contents = {name: _file_digest(sources[name][1]) for name in needed}
        with connection(self._limits) as database:
            _check_unique(database, needed, sources)
            return sum(
                self._materialize(
                    database,
                    feature_set,
                    sources,
                    until=epoch_us(until),
                    online=online,
                    content=contents[feature_set.definition.source],
                )
                for feature_set in sets
            )

    def _materialize(
        self,
        database: duckdb.DuckDBPyConnection,
        feature_set: VersionedFeatureSet,
        sources: Sources,
        *,
        until: int,
        online: OnlineStore,
        content: str,
    ) -> int:
        path = sources[feature_set.definition.source][1]
        stamp = stamp_of(feature_set, until, content)
        newest = newest_event(database, feature_set.source, path, until)
        rows = self._key_rows(database, feature_set, path, until=until, stamp=stamp)
        return publish(online, feature_set, until=until, stamp=stamp, data=content, newest=newest, rows=rows)

    def newest(self, source: SourceDefinition, file: Path, before: Moment) -> Moment | None:
        """Time of the newest row that was known; see the port."""
        check_views([view_of("", source, file, [])])
        with connection(self._limits) as database:
            found = newest_event(database, source, file, epoch_us(before))
        return None if found is None else moment_of(found)

    def _key_rows(
        self,
        database: duckdb.DuckDBPyConnection,
        feature_set: VersionedFeatureSet,
        path: Path,
        *,
        until: int,
        stamp: int,
    ) -> Iterator[tuple[bytes, bytes]]:
        plans = set_plans(feature_set)
        register_all_keys(database, feature_set, path)
        listed = ", ".join(f"k{number}" for number in range(len(feature_set.definition.key)))
        keys = database.execute(f"SELECT {listed} FROM keys ORDER BY {GROUP}").fetchall()  # noqa: S608 - names are ours
        chunks = scan_events(
            database,
            feature_set,
            path,
            [plan.column for plan in plans],
            self._limits,
            known_before=until,
            earliest=earliest_needed(plans, until),
            ids=True,
        )
        for chunk in chunks:
            yield from key_rows(plans, chunk, until, stamp, lambda gid: key_bytes(keys[gid]))

    def _features(
        self,
        database: duckdb.DuckDBPyConnection,
        feature_set: VersionedFeatureSet,
        features: Sequence[Feature],
        sources: Sources,
        *,
        keys: Sequence[pa.Array | pa.ChunkedArray],
        timestamps: I64,
        known_before: int | None,
        beyond: Counter[str],
    ) -> dict[str, pa.ChunkedArray]:
        """Columns by full name; `beyond` is told how many results of each no value of its type holds."""
        self._limits.check_results(feature_set.id, timestamps.size, len(features))
        plans = plans_of(features, feature_set.source)
        groups = register_keys(database, keys)
        # Keys come in ascending order: their queries are found by searching, not by looking at all of them again.
        by_group = np.argsort(groups, kind="stable")
        ordered = groups[by_group]
        parts: dict[str, list[pa.Array]] = {feature.name: [] for feature in features}
        places: list[I64] = []

        def add(events: Events, queries: I64, numbers: I64) -> None:
            columns = compute(plans, events, numbers, timestamps[queries], self._limits.processors)
            for feature in features:
                column = columns.pop(feature.name)
                beyond[full_name(feature_set.name, feature.name)] += column.beyond
                parts[feature.name].append(array_of(column, feature))
            places.append(queries)

        path = sources[feature_set.definition.source][1]
        # What no query can see is not even sorted.
        latest, earliest = int(timestamps.max(initial=LEAST)), int(timestamps.min(initial=GREATEST))
        done = np.zeros(groups.size, np.bool_)
        for events in scan_events(
            database,
            feature_set,
            path,
            [plan.column for plan in plans],
            self._limits,
            known_before=latest if known_before is None else min(known_before, latest),
            earliest=earliest_needed(plans, earliest),
        ):
            first = np.searchsorted(ordered, events.groups[0])
            queries = by_group[first : np.searchsorted(ordered, events.groups[-1], side="right")]
            done[queries] = True
            add(events, queries, groups[queries])
        # Rows whose key is null or has no event at all.
        rest = np.flatnonzero(~done)
        add(no_events(plans), rest, np.zeros(rest.size, np.int64))
        back = pa.array(np.argsort(np.concatenate(places), kind="stable"))
        return {
            full_name(feature_set.name, feature.name): pa.chunked_array(parts.pop(feature.name)).take(back)
            for feature in features
        }


def _check_training_sources(spec: TrainingSetSpec, files: Mapping[str, Path]) -> None:
    """Each source by its own definition: a feature set has its own view of one."""
    needed = {spec.spine: spine_columns(spec)}
    needed.setdefault(spec.label.source, set()).add(spec.label.column)
    views = [view_of(name, spec.sources[name], files[name], columns) for name, columns in needed.items()]
    check_views([*views, *(_set_view(one, files[one.definition.source]) for one in spec.sets)])


def _view(feature_set: VersionedFeatureSet, sources: Sources) -> View:
    """What a set wants of its source, which may not be among those that are given."""
    name = feature_set.definition.source
    if name not in sources:
        file, known = f"features/sources/{name}.yaml", ", ".join(sorted(sources))
        problem = Problem(
            file=file, message="no such source", value=name, allowed=known, suggestion=closest(name, sources)
        )
        raise InputError([problem])
    return _set_view(feature_set, sources[name][1])


def _set_view(feature_set: VersionedFeatureSet, path: Path) -> View:
    return view_of(feature_set.definition.source, feature_set.source, path, _set_columns(feature_set))


def _set_columns(feature_set: VersionedFeatureSet) -> set[str]:
    return {*feature_set.definition.key, *(feature.column for feature in features_of(feature_set))}


def _check_unique(database: duckdb.DuckDBPyConnection, names: Iterable[str], sources: Sources) -> None:
    """Check each file once, also where several sources are made of it."""
    checked = {(sources[name][1], sources[name][0].event_id): name for name in sorted(names, reverse=True)}
    for name in checked.values():
        check_unique(database, name, *sources[name])


def _times(spec: TrainingSetSpec, rows: TrainingRows) -> I64:
    if rows.times is None:
        raise InputError(f"{spec.id}: features need a spine with a timestamp; {spec.spine} has none")
    return rows.times


def _write(rows: pa.Table, destination: Path) -> None:
    with replacing(destination) as beside:
        pq.write_table(rows.combine_chunks(), beside, compression="zstd", row_group_size=131_072)


def _file_digest(path: Path) -> str:
    """As dvc.lock names it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
