"""Stage `evaluate`: score the evaluation rows with the packaged artifact and measure how well it does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bighead_ci.delivery.stages.labels import class_indices
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.results import Conversion
from bighead_ci.documents.base import replacing
from bighead_ci.documents.record import EvaluationResult, Slice
from bighead_ci.documents.stage import EvaluateSpec, StageOrder
from bighead_ci.errors import InputError
from bighead_ci.features.parquet import read_file
from bighead_ci.planning.stages import ARTIFACT, CONVERSION, EVALUATION, PREDICTIONS, TRAINING_SET
from bighead_ci.ports.progress import Progress
from bighead_ci.transforms.artifact import open_artifact
from bighead_ci.transforms.columns import input_columns
from bighead_ci.transforms.importance import permutation_importance
from bighead_ci.transforms.metrics import (
    Resamples,
    calibration,
    confusion,
    measure,
    occurring,
    predictions_table,
    roc,
    score_histogram,
)

MOST_SLICES = 30
"""Values of a slice column, the most frequent ones."""
LEAST_SLICE_ROWS = 30
"""A value with fewer rows says nothing and is left out."""

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def evaluate(place: StagePlace, progress: Progress) -> EvaluationResult:
    """Leave `evaluation.json` and `predictions.parquet`.

    Raises:
        InputError: there are no evaluation rows, or they do not define the primary metric.
    """
    spec = place.order("evaluate", StageOrder[EvaluateSpec]).spec
    scorer = open_artifact(place.out / ARTIFACT)
    table = read_file(place.out / TRAINING_SET)
    rows = table.filter(pc.equal(table["__part"], "evaluate"))
    if not rows.num_rows:
        raise InputError(f"{spec.id}: the training set has no row to evaluate on; see split in model.yaml")
    classes, settings = scorer.manifest.classes, spec.evaluation
    truth = class_indices(rows["__label"], classes, "evaluation rows")
    columns = input_columns(rows, scorer.manifest.inputs)
    scores = scorer.score(columns)
    resamples = Resamples.draw(len(truth), settings.bootstrap_samples)
    metrics = measure(truth, scores, resamples)
    if settings.primary not in metrics:
        raise InputError(f"{spec.id}: {settings.primary} is not defined: {_why_undefined(truth, classes)}")
    binary = spec.task == "binary"
    result = EvaluationResult(
        primary=settings.primary,
        metrics=metrics,
        slices=[one for name in settings.slices for one in _slices(rows, name, truth, scores, resamples)],
        rows=len(truth),
        calibration=calibration(truth, scores) if binary else [],
        roc=roc(truth, scores) if binary else [],
        confusion=confusion(truth, scores),
        classes=classes,
        score_histogram=score_histogram(scores),
        conversion_error=Conversion.read(place.out / CONVERSION).largest,
        importance=permutation_importance(scorer.score, columns),
    )
    with replacing(place.leaving(PREDICTIONS)) as beside:
        pq.write_table(predictions_table(rows, truth, scores, classes), beside)
    result.write(place.leaving(EVALUATION))
    shown = ", ".join(f"{name} {metric.value:.4f}" for name, metric in metrics.items())
    progress(f"{shown} on {len(truth):,} rows")
    if result.absent_classes:
        progress(f"no evaluation row is of class {', '.join(result.absent_classes)}")
    return result


def _why_undefined(truth: Integers, classes: list[str]) -> str:
    held = occurring(truth)
    if len(held) == 1:
        return f"all {len(truth):,} evaluation rows are of one class, {classes[held[0]]}; see split in model.yaml"
    return "a score of the evaluation rows is no finite number"


def _slices(rows: pa.Table, column: str, truth: Integers, scores: Floats, resamples: Resamples) -> list[Slice]:
    values = rows[column].cast(pa.string()).to_numpy()
    names, counts = np.unique(values[values != None].astype(str), return_counts=True)  # noqa: E711 - elementwise
    ranked = sorted(zip(names.tolist(), counts.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    found = []
    for name, count in ranked[:MOST_SLICES]:
        if count < LEAST_SLICE_ROWS:
            continue
        chosen = np.flatnonzero(values == name)
        metrics = measure(truth[chosen], scores[chosen], resamples.at(chosen), occurring(truth))
        found.append(Slice(column=column, value=name, rows=count, metrics=metrics))
    return found
