"""Which rows a training set has, and their part, label and inputs: on the joined table, whoever joined it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bighead_ci.documents.base import epoch_us
from bighead_ci.documents.definition import HashSplit, RequestField, microseconds
from bighead_ci.documents.record import TrainingSetSummary
from bighead_ci.documents.stage import GROUP, WEIGHT, TrainingSetSpec
from bighead_ci.errors import InputError, Problem
from bighead_ci.features.arrow import ARROW_TYPES, TIMESTAMP
from bighead_ci.features.hashed import hashed_part
from bighead_ci.features.kernel.arrays import I64, Bools


@dataclass(frozen=True)
class JoinedRows:
    """Rows of the spine in any order, each with the label row that has its event id."""

    spine: pa.Table
    """The columns `spine_columns` names."""
    event_id: pa.ChunkedArray
    times: pa.ChunkedArray | None
    """Microseconds; None where the spine's source has no timestamp, null where the row has none."""
    label: pa.ChunkedArray
    """Null where there is no label row."""
    label_known: pa.ChunkedArray | None
    """Microseconds at which each label became known; None: each is known, null: this one never."""
    left_out: int = 0
    """Further rows of the spine, all of them outside `wanted_span`."""


@dataclass(frozen=True)
class TrainingRows:
    """The labelled, mature rows in the split, by (timestamp, event id)."""

    spine: pa.Table
    event_id: pa.ChunkedArray
    times: I64 | None
    evaluate: Bools
    label: pa.ChunkedArray
    outside_split: int
    unlabelled: int
    immature: int


def spine_column(spec: TrainingSetSpec, field: str) -> str:
    """The spine's column behind a request field, or behind a slice that is no request field."""
    request = spec.request.get(field)
    return field if request is None or request.column is None else request.column


def inputs_of(spec: TrainingSetSpec) -> dict[str, RequestField]:
    """The request fields that the estimator sees."""
    return {name: field for name, field in spec.request.items() if field.use == "input"}


def spine_columns(spec: TrainingSetSpec) -> set[str]:
    """Every column of the spine that the training set is made of."""
    named = {spine_column(spec, field) for field in [*spec.request, *spec.slices]}
    return named | {one for one in (spec.weight, spec.group) if one}


def wanted_span(spec: TrainingSetSpec) -> tuple[int, int] | None:
    """Rows before the first moment, or at the second or later, are outside the split: they need not be joined."""
    if isinstance(spec.split, HashSplit):
        return None
    ranges = (spec.split.train, spec.split.evaluate)
    return min(epoch_us(start) for start, _ in ranges), max(epoch_us(end) for _, end in ranges)


def select_rows(spec: TrainingSetSpec, joined: JoinedRows) -> TrainingRows:
    """Split the rows and leave out what cannot be used (counted).

    A row is *outside* when it is in neither range, or has no time where the spine should give one; else *immature* when
    its label was not to be known before `as_of` (timestamp + offset is later, or the label row became known at `as_of`
    or later); else *unlabelled* when no label row has its event id, its label is never known, or the label is null, NaN
    or infinite.
    """
    train, evaluate = _parts(spec, joined)
    outside = ~(train | evaluate)
    immature = ~outside & _immature(spec, joined)
    unlabelled = ~outside & ~immature & ~_usable(joined)
    kept = _in_order(joined, np.flatnonzero(~(outside | immature | unlabelled)))
    places = pa.array(kept)
    return TrainingRows(
        spine=joined.spine.take(places),
        event_id=joined.event_id.take(places),
        times=None if joined.times is None else _filled(joined.times, 0)[kept],
        evaluate=evaluate[kept],
        label=joined.label.take(places),
        outside_split=joined.left_out + int(outside.sum()),
        unlabelled=int(unlabelled.sum()),
        immature=int(immature.sum()),
    )


def _parts(spec: TrainingSetSpec, joined: JoinedRows) -> tuple[Bools, Bools]:
    """Which rows are to train on, and which to evaluate on."""
    timed = np.ones(len(joined.event_id), np.bool_) if joined.times is None else _valid(joined.times)
    if isinstance(spec.split, HashSplit):
        kept_together = joined.spine.column(spec.group) if spec.group else joined.event_id
        evaluate = hashed_part(kept_together, spec.split.evaluate_percent)
        return timed & ~evaluate, timed & evaluate
    if joined.times is None:
        raise InputError(f"{spec.id}: a split by time needs a spine with a timestamp; {spec.spine} has none")
    times = _filled(joined.times, 0)
    train, evaluate = (
        timed & (times >= epoch_us(start)) & (times < epoch_us(end))
        for start, end in (spec.split.train, spec.split.evaluate)
    )
    return train, evaluate & ~train


def _immature(spec: TrainingSetSpec, joined: JoinedRows) -> Bools:
    immature = np.zeros(len(joined.event_id), np.bool_)
    if spec.as_of is None:
        return immature
    as_of = epoch_us(spec.as_of)
    if joined.times is not None:
        offset = microseconds(spec.label.offset) if spec.label.offset else 0
        immature |= _filled(joined.times, as_of - offset) > as_of - offset
    if joined.label_known is not None:
        immature |= _filled(joined.label_known, as_of - 1) >= as_of
    return immature


def _usable(joined: JoinedRows) -> Bools:
    label = joined.label
    usable = _valid(label)
    if pa.types.is_floating(label.type):
        usable &= np.asarray(pc.fill_null(pc.is_finite(label), fill_value=False).to_numpy(), np.bool_)
    return usable if joined.label_known is None else usable & _valid(joined.label_known)


def _in_order(joined: JoinedRows, kept: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Row numbers by (timestamp, event id)."""
    columns = {"id": joined.event_id.take(pa.array(kept))}
    if joined.times is not None:
        columns = {"ts": joined.times.take(pa.array(kept)), **columns}
    order = pc.sort_indices(pa.table(columns), sort_keys=[(name, "ascending") for name in columns])
    return np.asarray(kept[order.to_numpy()])


def _valid(column: pa.ChunkedArray) -> Bools:
    return np.asarray(pc.is_valid(column).to_numpy(), np.bool_)


def _filled(column: pa.ChunkedArray, value: int) -> I64:
    return np.asarray(pc.fill_null(column.cast(pa.int64()), value).to_numpy(), np.int64)


def training_table(spec: TrainingSetSpec, rows: TrainingRows, features: Mapping[str, pa.ChunkedArray]) -> pa.Table:
    """The training set's columns: its own, slices that are no inputs, request inputs, features by full name.

    Raises:
        InputError: a column of the spine does not convert to its request field.
    """
    columns: dict[str, pa.Array | pa.ChunkedArray] = {"__event_id": rows.event_id}
    if rows.times is not None:
        columns["__timestamp"] = pa.array(rows.times, pa.int64()).cast(TIMESTAMP)
    columns["__part"] = pa.array(np.where(rows.evaluate, "evaluate", "train").tolist(), pa.string())
    columns["__label"] = rows.label
    if spec.weight:
        columns[WEIGHT] = rows.spine.column(spec.weight).cast(pa.float64(), safe=False)
    if spec.group:
        columns[GROUP] = rows.spine.column(spec.group).cast(pa.string())
    inputs = inputs_of(spec)
    for name in spec.slices:
        if name not in inputs:
            columns[name] = rows.spine.column(spine_column(spec, name))
    for name, field in inputs.items():
        columns[name] = _input_column(spec, name, field, rows.spine)
    return pa.table({**columns, **features})


def _input_column(spec: TrainingSetSpec, name: str, field: RequestField, spine: pa.Table) -> pa.ChunkedArray:
    kind = ARROW_TYPES[field.type]
    column = spine.column(spine_column(spec, name))
    try:
        return column.cast(kind if field.size is None else pa.list_(kind, field.size))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        problem = Problem(
            file=f"{spec.path}/model.yaml",
            subject=f"request.{name}",
            message=f"the spine's column does not convert: {error}",
            value=str(column.type),
            allowed=field.type if field.size is None else f"{field.type}, {field.size} of them",
        )
        raise InputError([problem]) from error


def summary_of(
    spec: TrainingSetSpec, rows: TrainingRows, features: Mapping[str, pa.ChunkedArray], beyond: Mapping[str, int]
) -> TrainingSetSummary:
    """What the training set holds, what was left out of it, and how many results of features no type holds."""
    evaluate_rows = int(rows.evaluate.sum())
    return TrainingSetSummary(
        rows=len(rows.event_id),
        train_rows=len(rows.event_id) - evaluate_rows,
        evaluate_rows=evaluate_rows,
        outside_split=rows.outside_split,
        unlabelled=rows.unlabelled,
        immature=rows.immature,
        columns=[*inputs_of(spec), *features],
        beyond={name: count for name, count in sorted(beyond.items()) if count},
    )
