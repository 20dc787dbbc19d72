"""Stage `evaluate`: score the evaluation rows with the packaged artifact and measure how well it does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.predictions import groups_of, labels_of, predictions_table
from bighead_ci.delivery.stages.results import MeasuredConversion
from bighead_ci.documents.base import replacing
from bighead_ci.documents.explanation import Attributed
from bighead_ci.documents.record import EvaluationResult, Slice
from bighead_ci.documents.stage import EvaluateSpec, StageOrder
from bighead_ci.errors import InputError, Problem
from bighead_ci.features.parquet import read_file
from bighead_ci.planning.stages import ARTIFACT, CONVERSION, EVALUATION, PREDICTIONS, TRAINING_SET
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.scorer import ExplainingScorer, Scorer
from bighead_ci.scorers.artifact import open_artifact
from bighead_ci.scorers.registry import LOADERS, Loader
from bighead_ci.tasks.explaining import attributed
from bighead_ci.tasks.measuring import measure
from bighead_ci.tasks.places import LABEL, at_field
from bighead_ci.tasks.registry import task_named
from bighead_ci.tasks.scored import Resamples, Scored
from bighead_ci.transforms.columns import Columns, input_columns
from bighead_ci.transforms.importance import explained_sample, permutation_importance

MOST_SLICES = 30
"""Values of a slice column, the most frequent ones."""
LEAST_SLICE_ROWS = 30
"""A value with fewer rows says nothing and is left out."""


def evaluate(place: StagePlace, progress: Progress, loaders: Mapping[str, Loader] = LOADERS) -> EvaluationResult:
    """Leave `evaluation.json` and `predictions.parquet`.

    Args:
        place: The model version.
        progress: Gets a line at the end.
        loaders: Kind of artifact → what loads it.

    Raises:
        InputError: a label of the evaluation rows is none of the model's, or they do not define the primary metric.
    """
    spec = place.order("evaluate", StageOrder[EvaluateSpec]).spec
    scorer = open_artifact(place.out / ARTIFACT, loaders)
    table = read_file(place.out / TRAINING_SET)
    rows = table.filter(pc.equal(table["__part"], "evaluate"))
    definition = f"{spec.path}/model.yaml"
    target, settings = scorer.manifest.target, spec.evaluation
    task = task_named(target.task)
    columns = input_columns(rows, scorer.manifest.inputs)
    with at_field(definition, LABEL):
        truth = task.truth(labels_of(rows), target, "evaluation rows")
    with at_field(definition, "group"):
        groups = groups_of(rows)
    scored = Scored(target, truth, scorer.score(columns), groups)
    resamples = task.resamples(scored, settings.bootstrap_samples)
    metrics = measure(scored, resamples)
    if settings.primary not in metrics:
        message = f"{settings.primary} is not defined: {task.why_undefined(scored)}"
        raise InputError([Problem(file=definition, subject="evaluation.primary", message=message)])
    conversion = MeasuredConversion.read(place.out / CONVERSION).conversion
    result = EvaluationResult(
        primary=settings.primary,
        metrics=metrics,
        slices=[one for name in settings.slices for one in _slices(rows, name, scored, resamples)],
        rows=len(scored),
        target=target,
        charts=task.charts(scored),
        notes=task.notes(scored),
        score_histogram=task.histogram(scored.scores, target),
        conversion_error=conversion.largest,
        conversion=conversion,
        importance=permutation_importance(scorer.score, columns),
        attributed=_attributed(scorer, columns),
    )
    with replacing(place.leaving(PREDICTIONS)) as beside:
        pq.write_table(predictions_table(rows, scored), beside)
    result.write(place.leaving(EVALUATION))
    shown = ", ".join(f"{name} {metric.value:.4f}" for name, metric in metrics.items())
    progress(f"{shown} on {len(scored):,} rows")
    for note in result.notes:
        progress(note)
    return result


def _attributed(scorer: Scorer, columns: Columns) -> Attributed | None:
    """Exact importance, where the kind of artifact has it."""
    if not isinstance(scorer, ExplainingScorer):
        return None
    return attributed(scorer.explain(explained_sample(columns, scorer.explained_cells())), scorer.manifest)


def _slices(rows: pa.Table, column: str, scored: Scored, resamples: Resamples) -> list[Slice]:
    values = rows[column].cast(pa.string()).to_numpy()
    names, counts = np.unique(values[values != None].astype(str), return_counts=True)  # noqa: E711 - elementwise
    ranked = sorted(zip(names.tolist(), counts.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    found = []
    for name, count in ranked[:MOST_SLICES]:
        if count < LEAST_SLICE_ROWS:
            continue
        chosen = np.flatnonzero(values == name)
        metrics = measure(scored.at(chosen), resamples.at(chosen), within=scored)
        found.append(Slice(column=column, value=name, rows=count, metrics=metrics))
    return found
