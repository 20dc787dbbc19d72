"""A number; the answer is the expected one, and quantiles of what it may be where model.yaml asks for them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from bighead_ci.documents.chart import Chart, Curve, CurvePoint
from bighead_ci.documents.definition import ColumnType
from bighead_ci.documents.metrics import MetricDefinition
from bighead_ci.documents.target import Target, TargetSettings
from bighead_ci.errors import InputError, Problem
from bighead_ci.tasks.places import LABEL, at_field
from bighead_ci.tasks.scored import Floats, Labels, Resamples, Scored
from bighead_ci.tasks.task import TRAINING_ROWS, AnswerFields, Task, value_bounds

VALUE = "value"
_QUANTILE = "q{}".format
_DECILES = 10

METRICS = (
    MetricDefinition("mae", "MAE", False, 0.0, math.inf, "mean absolute error, in the label's unit"),
    MetricDefinition("rmse", "RMSE", False, 0.0, math.inf, "root of the mean squared error, in the label's unit"),
    MetricDefinition(
        "r2", "R²", True, -math.inf, 1.0,
        "share of the label's variance that the values explain; below 0 where the mean of the rows would do better",
    ),
    MetricDefinition(
        "pinball", "pinball loss", False, 0.0, math.inf, "mean quantile loss over quantiles, in the label's unit"
    ),
    MetricDefinition(
        "coverage_error", "coverage error", False, 0.0, 1.0,
        "over quantiles, the largest distance between a quantile and the share of rows whose label lies at or below it",
    ),
    MetricDefinition(
        "crossing", "crossing", False, 0.0, 1.0, "share of rows on which a quantile lies below a lower one"
    ),
)  # fmt: skip
_OF_QUANTILES = frozenset({"pinball", "coverage_error", "crossing"})


class Regression(Task):
    """A number."""

    name: ClassVar[str] = "regression"
    metrics: ClassVar[Sequence[MetricDefinition]] = METRICS
    primary: ClassVar[str] = "mae"
    scored_by: ClassVar[str] = "predict"
    outputs_are: ClassVar[Literal["probability", "value", "score"]] = "value"
    stands_for_answer: ClassVar[str] = "value"
    starter: ClassVar[tuple[str, str]] = ("Ridge", 'alpha=parameters["regularisation"]')
    fields: ClassVar[frozenset[str]] = frozenset({"quantiles"})
    label_types: ClassVar[frozenset[ColumnType]] = frozenset({"int64", "float64"})

    def problems(self, settings: TargetSettings, label_type: ColumnType | None, primary: str) -> Iterator[Problem]:
        """A metric of quantiles needs some."""
        yield from super().problems(settings, label_type, primary)
        if primary in _OF_QUANTILES and not settings.quantiles:
            message = f"{primary} is a metric of quantiles, and the model has none"
            wanted = "quantiles: [0.1, 0.5, 0.9], or another metric"
            yield Problem(file=settings.file, subject="evaluation.primary", message=message, allowed=wanted)

    def target(self, labels: Labels, settings: TargetSettings) -> Target:
        """A value, and a number a quantile."""
        with at_field(settings.file, LABEL):
            values = self._numbers(labels, TRAINING_ROWS)
        if not len(values) or values.min() == values.max():
            held = f"all {values[0]:g}" if len(values) else "none"
            message = f"the labels of the training rows are {held}: there is nothing to learn"
            raise InputError([Problem(file=settings.file, subject=LABEL, message=message)])
        outputs = [VALUE, *(_QUANTILE(level) for level in settings.quantiles)]
        return Target(task=self.name, outputs=outputs, quantiles=settings.quantiles, bounds=[])

    def truth(self, labels: Labels, target: Target, rows: str) -> Labels:
        """The numbers."""
        return self._numbers(labels, rows)

    def about_labels(self, truth: Labels) -> str:
        """Their range: what an estimator says of them names no value."""
        return f"from {truth.min():g} to {truth.max():g}"

    def bounds(self, scores: Floats) -> list[float]:
        """Of the model's own values."""
        return value_bounds(scores[:, 0])

    def points(self, scored: Scored, within: Scored) -> dict[str, float]:
        """Each metric of the rows."""
        if not len(scored):
            return {}
        once = {name: np.array([loss.mean()]) for name, loss in self._row_losses(scored).items()}
        return {name: float(values[0]) for name, values in self._figures(once, scored.target).items()}

    def samples(self, scored: Scored, resamples: Resamples, within: Scored) -> dict[str, Floats]:
        """The same of each sample."""
        return self._figures(resamples.means(self._row_losses(scored)), scored.target)

    def why_undefined(self, scored: Scored) -> str:
        """A constant label has no variance."""
        if len(scored) and scored.truth.min() == scored.truth.max():
            return f"all {len(scored):,} evaluation rows have the label {scored.truth[0]:g}; see split in model.yaml"
        return "a value of the evaluation rows is no finite number, or the model has no quantiles"

    def charts(self, scored: Scored) -> list[Chart]:
        """Outcomes by decile of the prediction, and how many labels lie below each quantile."""
        value, truth = scored.scores[:, 0], scored.truth
        groups = [g for g in np.array_split(np.argsort(value, kind="stable"), _DECILES) if len(g)]
        points = [CurvePoint(x=float(value[g].mean()), y=float(truth[g].mean())) for g in groups]
        x, y = "mean predicted value, by decile", "mean label"
        drawn: list[Chart] = [Curve(name="predictions", x=x, y=y, points=points, unit=False)]
        if scored.target.quantiles:
            shares = (truth[:, None] <= scored.scores[:, 1:]).mean(axis=0).tolist()
            pairs = zip(scored.target.quantiles, shares, strict=True)
            points = [CurvePoint(x=level, y=share) for level, share in pairs]
            drawn.append(Curve(name="coverage", x="quantile", y="share of labels at or below it", points=points))
        return drawn

    def notes(self, scored: Scored) -> list[str]:
        """A label that does not vary, and quantiles in the wrong order."""
        found = []
        if len(scored) and scored.truth.min() == scored.truth.max():
            found.append(f"all evaluation rows have the label {scored.truth[0]:g}: r2 is not defined")
        crossed = int(_crossed(scored).sum())
        if crossed:
            found.append(
                f"quantiles cross on {crossed:,} of {len(scored):,} evaluation rows: a higher one is answered as less "
                "than a lower one"
            )
        return found

    def answer(self, scores: Sequence[float], target: Target) -> dict[str, Any]:
        """The value; quantiles by their level."""
        answer: dict[str, Any] = {VALUE: scores[0]}
        if target.quantiles:
            answer["quantiles"] = {str(level): q for level, q in zip(target.quantiles, scores[1:], strict=True)}
        return answer

    def answer_fields(self, target: Target) -> AnswerFields:
        """A number, and a number a quantile."""
        fields: AnswerFields = {VALUE: (float, ...)}
        return fields | {"quantiles": (dict[str, float], ...)} if target.quantiles else fields

    def explained(self, target: Target) -> list[int]:
        """The value; quantiles are not."""
        return [0]

    def observed(self, scores: Floats) -> Floats:
        """The value."""
        value: Floats = scores[:, 0]
        return value

    def observed_row(self, scores: Sequence[float]) -> float:
        """The same."""
        return scores[0]

    def prediction_columns(self, scored: Scored) -> dict[str, Any]:
        """Label, value, quantiles."""
        outputs = {name: scored.scores[:, index] for index, name in enumerate(scored.target.outputs)}
        return {"label": scored.truth, **outputs}

    def scored_rows(self, columns: dict[str, Any], target: Target) -> Scored:
        """By name."""
        scores = np.column_stack([columns[name].astype(np.float64) for name in target.outputs])
        return Scored(target, columns["label"].astype(np.float64), scores)

    def _row_losses(self, scored: Scored) -> dict[str, Floats]:
        """What the metrics are worked out from, all of them means over rows."""
        truth, value = scored.truth, scored.scores[:, 0]
        # The variance of labels far from 0 drowns in their squares, unless something near their mean is taken off.
        centred = truth - (truth.mean() if len(truth) else 0.0)
        losses = {
            "error": np.abs(value - truth),
            "squared": (value - truth) ** 2,
            "label": centred,
            "label_squared": centred**2,
        }
        if not scored.target.quantiles:
            return losses
        levels, quantiles = np.array(scored.target.quantiles), scored.scores[:, 1:]
        missed = truth[:, None] - quantiles
        losses["pinball"] = np.maximum(levels * missed, (levels - 1) * missed).mean(axis=1)
        losses["crossing"] = _crossed(scored).astype(np.float64)
        below = {_QUANTILE(level): (missed[:, i] <= 0).astype(np.float64) for i, level in enumerate(levels.tolist())}
        return losses | below

    @staticmethod
    def _figures(means: dict[str, Floats], target: Target) -> dict[str, Floats]:
        """The metrics from means over rows, each an array of one value a sample."""
        variance = means["label_squared"] - means["label"] ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            explained = np.where(variance > 0, 1 - means["squared"] / variance, np.nan)
        figures = {"mae": means["error"], "rmse": np.sqrt(means["squared"]), "r2": explained}
        if target.quantiles:
            apart = [np.abs(means[_QUANTILE(level)] - level) for level in target.quantiles]
            figures |= {"pinball": means["pinball"], "coverage_error": np.max(apart, axis=0)}
            figures["crossing"] = means["crossing"]
        return figures

    @staticmethod
    def _numbers(labels: Labels, rows: str) -> Labels:
        if labels.dtype.kind not in "iuf":
            kind = "bools" if labels.dtype.kind == "b" else "text"
            raise InputError(f"{rows}: labels are {kind}; regression learns numbers")
        values = labels.astype(np.float64)
        if not np.isfinite(values).all():
            strangers = int((~np.isfinite(values)).sum())
            raise InputError(f"{rows}: {strangers:,} labels are no finite number")
        return values


def _crossed(scored: Scored) -> Labels:
    """Of each row, whether a quantile lies below a lower one."""
    crossed: Labels = np.any(np.diff(scored.scores[:, 1:], axis=1) < 0, axis=1)
    return crossed
