"""The rows of a training set: which spine rows, their part, label and request inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bighead_ci.documents.definition import (
    ColumnType,
    HashSplit,
    RequestField,
    microseconds,
)
from bighead_ci.documents.stage import TimeRanges, TrainingSetSpec
from bighead_ci.errors import InputError, Problem
from bighead_ci.features.kernel import I64
from bighead_ci.ports.offline_store import Sources
from bighead_ci.stores.scan import quoted, table

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
TIMESTAMP = ARROW_TYPES["timestamp"]


def epoch_us(moment: datetime) -> int:
    """A moment in UTC microseconds."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def spine_column(spec: TrainingSetSpec, field: str) -> str:
    """The spine's column behind a request field, or behind a slice that is no request field."""
    request = spec.request.get(field)
    return field if request is None or request.column is None else request.column


def inputs_of(spec: TrainingSetSpec) -> dict[str, RequestField]:
    """The request fields that the estimator sees."""
    return {name: field for name, field in spec.request.items() if field.use == "input"}


def spine_columns(spec: TrainingSetSpec) -> set[str]:
    """Every column of the spine that the training set is made of."""
    return {spine_column(spec, field) for field in [*spec.request, *spec.slices]}


@dataclass(frozen=True)
class Rows:
    """The labelled, mature spine rows in the split, by (timestamp, event id)."""

    columns: pa.Table
    """The spine's own columns, by its names."""
    event_id: pa.ChunkedArray
    timestamps: I64 | None
    evaluate: np.ndarray[tuple[int], np.dtype[np.bool_]]
    label: pa.ChunkedArray
    outside_split: int
    unlabelled: int
    immature: int


def select_rows(database: duckdb.DuckDBPyConnection, spec: TrainingSetSpec, sources: Sources) -> Rows:
    """Read the spine, split it, join the label, and leave out what cannot be used (counted).

    A row is *outside* when it is in neither range, or has no time where the spine should give one; else *immature* when
    its label was not to be known before `as_of` (timestamp + offset is later, or the label row became known at `as_of`
    or later); else *unlabelled* when no label row has its event id, that row's known-at is null, or the label is null,
    NaN or infinite.
    """
    read = _read(database, spec, sources)
    spine, _ = sources[spec.spine]
    timestamps = None if spine.timestamp is None else read.column("ts").to_numpy()
    labels = read.column("label")
    immature = np.zeros(read.num_rows, np.bool_)
    if spec.as_of is not None:
        as_of = epoch_us(spec.as_of)
        offset = microseconds(spec.label.offset) if spec.label.offset else 0
        if timestamps is not None:
            immature |= timestamps + offset > as_of
        immature |= pc.fill_null(read.column("label_known"), 0).to_numpy() >= as_of
    unlabelled = ~immature & ~_usable(labels, read)
    rows = read.filter(pa.array(~immature & ~unlabelled))
    return Rows(
        columns=rows.select(sorted(spine_columns(spec))),
        event_id=rows.column("id"),
        timestamps=None if timestamps is None else rows.column("ts").to_numpy(),
        evaluate=_evaluate(spec, rows),
        label=rows.column("label"),
        outside_split=pq.read_metadata(sources[spec.spine][1]).num_rows - read.num_rows,
        unlabelled=int(unlabelled.sum()),
        immature=int(immature.sum()),
    )


def _read(database: duckdb.DuckDBPyConnection, spec: TrainingSetSpec, sources: Sources) -> pa.Table:
    spine, spine_path = sources[spec.spine]
    label, label_path = sources[spec.label.source]
    names = {column: f"s.{quoted(column)} AS {quoted(column)}" for column in sorted(spine_columns(spec))}
    time = f"epoch_us(s.{quoted(spine.timestamp)})" if spine.timestamp else "NULL::BIGINT"
    known_column = label.known_at or label.timestamp
    known = f"epoch_us(l.{quoted(known_column)})" if known_column else "NULL::BIGINT"
    never = f"l.{quoted(label.known_at)} IS NULL" if label.known_at else "false"
    selected = [
        *names.values(),
        f"s.{quoted(spine.event_id)} AS id",
        f"{time} AS ts",
        f"l.{quoted(spec.label.column)} AS label",
        f"{known} AS label_known",
        f"{never} AS never",
    ]
    where = f"{time} IS NOT NULL" if spine.timestamp else "true"
    if isinstance(spec.split, TimeRanges):
        ranges = [[epoch_us(moment) for moment in part] for part in (spec.split.train, spec.split.evaluate)]
        where = " OR ".join(f"({time} >= {start} AND {time} < {end})" for start, end in ranges)
    found: pa.Table = database.sql(
        f"SELECT {', '.join(selected)} FROM {table(spine_path)} s "  # noqa: S608 - quoted
        f"LEFT JOIN {table(label_path)} l ON s.{quoted(spine.event_id)} = l.{quoted(label.event_id)} "
        f"WHERE {where} ORDER BY ts, id"
    ).to_arrow_table()
    return found


def _usable(labels: pa.ChunkedArray, read: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    valid = pc.is_valid(labels)
    if pa.types.is_floating(labels.type):
        valid = pc.and_(valid, pc.fill_null(pc.is_finite(labels), fill_value=False))
    return np.asarray(pc.and_(valid, pc.invert(read.column("never"))).to_numpy(), np.bool_)


def _evaluate(spec: TrainingSetSpec, rows: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if isinstance(spec.split, HashSplit):
        return hashed_part(rows.column("id").to_pylist(), spec.split.evaluate_percent)
    timestamps = rows.column("ts").to_numpy()
    start, end = (epoch_us(moment) for moment in spec.split.train)
    return np.asarray(~((timestamps >= start) & (timestamps < end)), np.bool_)


def hashed_part(event_ids: Sequence[object], percent: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether a row is for evaluation: first 8 bytes of SHA-256 of its id's text, big-endian, modulo 100 < percent."""
    return np.array(
        [
            int.from_bytes(hashlib.sha256(str(event_id).encode()).digest()[:8], "big") % 100 < percent
            for event_id in event_ids
        ],
        np.bool_,
    )


def input_column(spec: TrainingSetSpec, name: str, field: RequestField, rows: pa.Table) -> pa.ChunkedArray:
    """A request input in the type that a caller sends.

    Raises:
        InputError: the spine's column does not convert to it.
    """
    kind = ARROW_TYPES[field.type]
    column = rows.column(spine_column(spec, name))
    try:
        return column.cast(kind if field.size is None else pa.list_(kind, field.size))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        wanted = field.type if field.size is None else f"{field.type}, {field.size} of them"
        raise InputError(
            [
                Problem(
                    file=f"{spec.path}/model.yaml",
                    subject=f"request.{name}",
                    message=f"the spine's column does not convert: {error}",
                    value=str(column.type),
                    allowed=wanted,
                )
            ]
        ) from error
