"""The spine joined with its label, by DuckDB."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from bighead_ci.documents.definition import SourceDefinition
from bighead_ci.documents.stage import TrainingSetSpec
from bighead_ci.features.arrow import EVENT_ID, KNOWN, TIME, TIMESTAMP
from bighead_ci.features.training_rows import JoinedRows, spine_columns, wanted_span
from bighead_ci.ports.offline_store import Sources
from bighead_ci.stores.source_table import source_table

ROWS_AT_ONCE = 500_000
_LABEL = "label"


def joined_rows(
    database: duckdb.DuckDBPyConnection, spec: TrainingSetSpec, sources: Sources, check: Callable[[int, int], None]
) -> JoinedRows:
    """Every row of the spine that its split can want, with the label row that has its event id.

    `check`: told, while rows come in, how many there are and the bytes that they take.
    """
    (spine, spine_path), (label, label_path) = sources[spec.spine], sources[spec.label.source]
    names = sorted(spine_columns(spec))
    columns = {f"c{number}": name for number, name in enumerate(names)}
    selected, where = [f"s.{name}" for name in columns], ""
    spine_values = columns | {EVENT_ID: spine.event_id}
    label_values = {EVENT_ID: label.event_id, _LABEL: spec.label.column}
    if spine.timestamp:
        spine_values[TIME] = spine.timestamp
        selected.append(f"s.{TIME}")
        span = wanted_span(spec)
        where = "" if span is None else f"WHERE s.{TIME} >= {span[0]} AND s.{TIME} < {span[1]}"
    label_known = label.known_at or label.timestamp
    if label_known:
        label_values[KNOWN] = label_known
        selected.append(f"l.{KNOWN}")
    reader = database.sql(
        f"SELECT s.{EVENT_ID}, l.{_LABEL}, {', '.join(selected)} "  # noqa: S608 - names are ours
        f"FROM {source_table(spine_path, spine, spine_values)} s "
        f"LEFT JOIN {source_table(label_path, label, label_values)} l ON s.{EVENT_ID} = l.{EVENT_ID} {where}"
    ).to_arrow_reader(ROWS_AT_ONCE)
    batches: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in reader:
        batches.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        check(rows, size)
    found = pa.Table.from_batches(batches, reader.schema)
    return JoinedRows(
        spine=pa.table({name: _typed(found.column(own), spine, name) for own, name in columns.items()}),
        event_id=found.column(EVENT_ID),
        times=found.column(TIME) if spine.timestamp else None,
        label=_typed(found.column(_LABEL), label, spec.label.column),
        label_known=found.column(KNOWN) if label_known else None,
        left_out=pq.read_metadata(spine_path).num_rows - found.num_rows,
    )


def _typed(column: pa.ChunkedArray, source: SourceDefinition, name: str) -> pa.ChunkedArray:
    """Microseconds as timestamps."""
    return column.cast(TIMESTAMP) if source.columns[name] == "timestamp" else column
