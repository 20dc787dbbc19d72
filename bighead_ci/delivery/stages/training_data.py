"""The rows to train on as `fit` and `train` get them: labels, weights, and the part that is kept for validation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bighead_ci.delivery.stages.predictions import groups_of
from bighead_ci.documents.base import epoch_us
from bighead_ci.documents.definition import HashValidation, Weights, duration
from bighead_ci.documents.stage import GROUP, WEIGHT, TrainSpec
from bighead_ci.documents.target import Target
from bighead_ci.errors import InputError, Problem
from bighead_ci.features.hashed import hashed_part
from bighead_ci.model_code.frame import estimator_frame
from bighead_ci.model_code.training_data import Rows, TrainingData
from bighead_ci.tasks.places import at_field
from bighead_ci.transforms.columns import input_columns

SEED = 0
"""What a model's code may draw with."""
_SALT = "validation:"
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def training_data(spec: TrainSpec, rows: pa.Table, label: npt.NDArray[Any], target: Target) -> TrainingData:
    """The rows to train on, without those that `validation` of model.yaml takes out.

    Args:
        spec: What the stage is told.
        rows: Of the training range.
        label: Theirs, as an estimator takes it.
        target: What they make of the definition.

    Raises:
        InputError: a weight is null, negative or infinite, all are zero, one of the two parts has no row, or no list
            of candidates has an order.
    """
    with at_field(spec.target.file, "group"):
        groups = groups_of(rows)
    if groups is not None:  # libraries that rank want rows of one list side by side
        order = np.argsort(groups, kind="stable")
        rows, label, groups = rows.take(order), label[order], groups[order]
        _check_order(spec, label, groups)
    validation = _validation(spec, rows)
    weights = _weights(spec, rows, label, target.outputs)
    frame = estimator_frame(input_columns(rows, spec.inputs), spec.inputs)

    def part(chosen: Bools) -> Rows:
        return Rows(
            frame=frame[chosen].reset_index(drop=True),
            label=label[chosen],
            weights=None if weights is None else weights[chosen],
            groups=None if groups is None else groups[chosen],
        )

    train = part(~validation)
    return TrainingData(
        frame=train.frame,
        label=train.label,
        weights=train.weights,
        groups=train.groups,
        validation=part(validation) if spec.validation else None,
        task=target.task,
        outputs=target.outputs,
        seed=SEED,
    )


def _check_order(spec: TrainSpec, label: npt.NDArray[Any], groups: npt.NDArray[Any]) -> None:
    """Refuse lists of which none says that a row is better than another."""
    starts = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    if (np.maximum.reduceat(label, starts) > np.minimum.reduceat(label, starts)).any():
        return
    alone = int((np.diff([*starts, len(groups)]) == 1).sum())
    message = (
        f"no list of the rows to train on has rows of different grades, and {alone:,} of {len(starts):,} are of one "
        "row: there is no order to learn"
    )
    raise InputError([_problem(spec, "group", message, spec.target.group or "")])


def _validation(spec: TrainSpec, rows: pa.Table) -> Bools:
    settings = spec.validation
    if settings is None:
        return np.zeros(rows.num_rows, np.bool_)
    if isinstance(settings, HashValidation):
        kept_together = GROUP if GROUP in rows.column_names else "__event_id"
        chosen = hashed_part(rows[kept_together], settings.percent, _SALT)
    elif spec.trained_until is None:
        raise InputError([_problem(spec, "validation", "there is no last part of rows that are split by a hash")])
    else:
        begin = epoch_us(spec.trained_until) - duration(settings.last) // timedelta(microseconds=1)
        chosen = np.asarray(rows["__timestamp"].cast(pa.int64()).to_numpy() >= begin, np.bool_)
    if chosen.all() or not chosen.any():
        what = "all" if chosen.all() else "none"
        message = f"takes {what} of the {rows.num_rows:,} rows to train on: each part needs some"
        raise InputError([_problem(spec, "validation", message)])
    return chosen


def _weights(spec: TrainSpec, rows: pa.Table, label: npt.NDArray[Any], classes: list[str]) -> Floats | None:
    settings = spec.weights
    if settings is None:
        return None
    found = np.ones(rows.num_rows)
    if settings.column:
        found *= _of_column(spec, settings.column, rows)
    return found if settings.classes is None else found * _of_classes(spec, settings, label, classes)


def _of_column(spec: TrainSpec, column: str, rows: pa.Table) -> Floats:
    values = np.asarray(rows[WEIGHT].to_numpy(), np.float64)
    wrong = {
        "null or NaN": int(np.isnan(values).sum()),
        "negative": int((values < 0).sum()),
        "infinite": int(np.isposinf(values).sum()),
    }
    said = [f"{count:,} are {what}" for what, count in wrong.items() if count]
    if not said and not values.any():
        said = ["all are zero"]
    if said:
        message = f"of the {len(values):,} rows to train on, {', '.join(said)}: a weight is a number of 0 or more"
        raise InputError([_problem(spec, "weights.column", message, column)])
    return values


def _of_classes(spec: TrainSpec, settings: Weights, label: npt.NDArray[Any], classes: list[str]) -> Floats:
    if label.dtype.kind != "i":
        raise InputError([_problem(spec, "weights.classes", f"{spec.target.task} has no classes")])
    if settings.classes == "balanced":
        counts = np.bincount(label, minlength=len(classes))
        balanced: Floats = (len(label) / (len(classes) * np.maximum(counts, 1)))[label]
        return balanced
    given = settings.classes or {}
    if sorted(given) != sorted(classes):
        message = "must name every class, and no other"
        raise InputError([_problem(spec, "weights.classes", message, ", ".join(given), ", ".join(classes))])
    found: Floats = np.array([given[name] for name in classes], np.float64)[label]
    return found


def _problem(spec: TrainSpec, subject: str, message: str, value: str = "", allowed: str = "") -> Problem:
    return Problem(
        file=f"{spec.path}/model.yaml", subject=subject, message=message, value=value or None, allowed=allowed
    )
