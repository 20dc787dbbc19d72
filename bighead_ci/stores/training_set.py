"""The spine joined with its label, by DuckDB."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from bighead_ci.documents.stage import TrainingSetSpec
from bighead_ci.features.training_rows import JoinedRows, spine_columns, wanted_span
from bighead_ci.ports.offline_store import Sources
from bighead_ci.stores.scan import quoted, table

ROWS_AT_ONCE = 500_000


def joined_rows(
    database: duckdb.DuckDBPyConnection, spec: TrainingSetSpec, sources: Sources, check: Callable[[int, int], None]
) -> JoinedRows:
    """Every row of the spine that its split can want, with the label row that has its event id.

    `check`: told, while rows come in, how many there are and the bytes that they take.
    """
    (spine, spine_path), (label, label_path) = sources[spec.spine], sources[spec.label.source]
    names = sorted(spine_columns(spec))
    selected = [f"s.{quoted(name)} AS c{number}" for number, name in enumerate(names)]
    selected += [f"s.{quoted(spine.event_id)} AS id", f"l.{quoted(spec.label.column)} AS label"]
    where = ""
    if spine.timestamp:
        time = f"epoch_us(s.{quoted(spine.timestamp)})"
        selected.append(f"{time} AS ts")
        span = wanted_span(spec)
        where = "" if span is None else f"WHERE {time} >= {span[0]} AND {time} < {span[1]}"
    if label.known_at:
        selected.append(f"epoch_us(l.{quoted(label.known_at)}) AS known")
    elif label.timestamp:
        selected.append(f"epoch_us(l.{quoted(label.timestamp)}) AS known")
    reader = database.sql(
        f"SELECT {', '.join(selected)} FROM {table(spine_path)} s "  # noqa: S608 - quoted
        f"LEFT JOIN {table(label_path)} l ON s.{quoted(spine.event_id)} = l.{quoted(label.event_id)} {where}"
    ).to_arrow_reader(ROWS_AT_ONCE)
    batches: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in reader:
        batches.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        check(rows, size)
    found = pa.Table.from_batches(batches, reader.schema)
    return JoinedRows(
        spine=found.select([f"c{number}" for number in range(len(names))]).rename_columns(names),
        event_id=found.column("id"),
        times=found.column("ts") if spine.timestamp else None,
        label=found.column("label"),
        label_known=found.column("known") if label.known_at or label.timestamp else None,
        left_out=pq.read_metadata(spine_path).num_rows - found.num_rows,
    )
