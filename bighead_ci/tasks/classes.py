"""What tasks with classes share: labels as class indices, metrics of class scores, charts.

Scores have shape (rows, classes); truth holds class indices. Every metric is computed from weights: a bootstrap sample
is how often each row was drawn, so one sort serves them all.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.chart import Chart, Matrix
from bighead_ci.documents.definition import ColumnType
from bighead_ci.documents.metrics import MetricDefinition
from bighead_ci.documents.target import Target
from bighead_ci.errors import InputError
from bighead_ci.tasks.places import LABEL, at_field
from bighead_ci.tasks.scored import Floats, Integers, Labels, Resamples, Scored
from bighead_ci.tasks.task import Task

CLIP = float(np.finfo(np.float32).eps)
"""Scores are float32: log_loss takes none nearer to 0 or 1 than this."""
_EXACT_IN_FLOAT32 = 2**22
"""Rows up to which sums of counts, and halves of them, are exact in float32."""
_MOST_CLASSES = 10
"""Classes that a message names."""
_SHOWN = 3
"""Values that a message shows of those that are wrong."""
_BEYOND_INTEGERS = 2.0**63

METRICS = (
    MetricDefinition(
        "auc", "AUC", True, 0.0, 1.0,
        "area under the ROC curve; with more than two classes the mean of one class against the rest, over the "
        "classes that the evaluation rows hold",
    ),
    MetricDefinition(
        "log_loss", "log loss", False, 0.0, math.inf, "mean negative logarithm of the score of the true class"
    ),
    MetricDefinition(
        "brier", "Brier score", False, 0.0, 2.0,
        "mean squared error of the scores; with two classes, where it is at most 1, of the positive class",
    ),
    MetricDefinition(
        "accuracy", "accuracy", True, 0.0, 1.0, "share of rows on which the highest score is the true class's"
    ),
)  # fmt: skip


class ClassTask(Task):
    """A task whose answer is one of some classes."""

    metrics: ClassVar[Sequence[MetricDefinition]] = METRICS
    scored_by: ClassVar[str] = "predict_proba"
    outputs_are: ClassVar[Literal["probability", "value", "score"]] = "probability"
    starter: ClassVar[tuple[str, str]] = ("LogisticRegression", 'C=parameters["regularisation"]')
    label_types: ClassVar[frozenset[ColumnType]] = frozenset({"int64", "float64", "string", "bool"})

    @abstractmethod
    def judged(self, within: Integers) -> Sequence[int]:
        """The classes whose areas are averaged, where the truth is this."""

    @abstractmethod
    def brier(self, squared: Floats) -> Floats:
        """The Brier score of rows from the squared errors of their scores, added up over classes."""

    def truth(self, labels: Labels, target: Target, rows: str) -> Labels:
        """Each label's index among the classes."""
        texts = np.array(class_texts(labels), dtype=object)
        places = {name: index for index, name in enumerate(target.outputs)}
        if strangers := sorted(set(texts.tolist()) - set(places)):
            raise InputError(f"{rows} have labels that no training row has: {', '.join(strangers[:_MOST_CLASSES])}")
        return np.array([places[text] for text in texts.tolist()], dtype=np.int64)

    def points(self, scored: Scored, within: Scored) -> dict[str, float]:
        """Means over rows, and the area under the ROC curve."""
        once = np.ones((1, len(scored)))
        losses = self._row_losses(scored).items()
        values = {name: float(loss.mean()) if len(scored) else np.nan for name, loss in losses}
        area = _mean_area(scored, [once], self.judged(within.truth))
        return {"auc": float(area[0])} | values

    def samples(self, scored: Scored, resamples: Resamples, within: Scored) -> dict[str, Floats]:
        """The same of each sample."""
        # Counts up to here are exact in float32, which is twice as fast.
        kind = np.float32 if len(scored) <= _EXACT_IN_FLOAT32 else np.float64
        area = _mean_area(scored, resamples.chunks(kind), self.judged(within.truth))
        return {"auc": area} | resamples.means(self._row_losses(scored))

    def why_undefined(self, scored: Scored) -> str:
        """One class alone, most often."""
        held = occurring(scored.truth)
        if len(held) == 1:
            name = scored.target.outputs[held[0]]
            return f"all {len(scored):,} evaluation rows are of one class, {name}; see split in model.yaml"
        return "a score of the evaluation rows is no finite number"

    def charts(self, scored: Scored) -> list[Chart]:
        """How classes are taken for each other."""
        return [Matrix(name="confusion", names=scored.target.outputs, counts=confusion(scored))]

    def notes(self, scored: Scored) -> list[str]:
        """Which classes no row is of, and what that means for the metrics."""
        names = scored.target.outputs
        absent = [name for index, name in enumerate(names) if index not in occurring(scored.truth)]
        if not absent or not len(scored):
            return []
        shown = ", ".join(absent[:_MOST_CLASSES])
        shown += f" and {len(absent) - _MOST_CLASSES:,} more" * (len(absent) > _MOST_CLASSES)
        left = len(names) - len(absent)
        means = "auc is not defined" if left == 1 else f"auc is the mean over the other {left}"
        return [f"no evaluation row is of class {shown}: {means}, and no metric says how well these are told apart"]

    def _row_losses(self, scored: Scored) -> dict[str, Floats]:
        """The metrics that are means over rows, before the mean."""
        truth, scores = scored.truth, scored.scores
        chosen = scores[np.arange(len(truth)), truth]
        onehot = np.eye(scores.shape[1])[truth]
        return {
            "log_loss": -np.log(np.clip(chosen, CLIP, 1 - CLIP)),
            "brier": self.brier(((scores - onehot) ** 2).sum(axis=1)),
            "accuracy": (scores.argmax(axis=1) == truth).astype(np.float64),
        }


def occurring(truth: Labels) -> list[int]:
    """The classes that some row is of."""
    found: list[int] = np.unique(truth).tolist()
    return found


def class_texts(labels: Labels) -> list[str]:
    """Labels as names of classes; false and true are 0 and 1, as they count."""
    return [str(value) for value in plain(labels).tolist()]


def plain(labels: Labels) -> Labels:
    """Booleans as the integers that they count as, and floats that are whole numbers as these.

    Raises:
        InputError: a label is neither text, nor a bool, nor a whole number.
    """
    if labels.dtype.kind in "bui":
        return labels.astype(np.int64)
    if labels.dtype.kind != "f":
        return labels
    whole = np.isfinite(labels) & (labels == np.trunc(labels)) & (np.abs(labels) < _BEYOND_INTEGERS)
    if not whole.all():
        strangers = ", ".join(str(value) for value in np.unique(labels[~whole])[:_SHOWN].tolist())
        raise InputError(
            f"{int((~whole).sum()):,} of {len(labels):,} labels are no class: {strangers}; a class is text, a bool or "
            "a whole number, and task: regression learns numbers"
        )
    return labels.astype(np.int64)


def class_names(labels: Labels, file: str) -> list[str]:
    """The classes that labels hold, in the order of their values.

    Args:
        labels: Of the training rows.
        file: The model.yaml, for messages.

    Raises:
        InputError: a label is no class.
    """
    with at_field(file, LABEL):
        values = plain(labels)
    return [str(value) for value in np.unique(values).tolist()]


def listed(names: Sequence[str]) -> str:
    """Names of classes as a message has them."""
    return ", ".join(names[:_MOST_CLASSES]) or "none"


def confusion(scored: Scored) -> list[list[int]]:
    """Counts: row the truth, column the class with the highest score."""
    classes = scored.scores.shape[1]
    counts = np.bincount(scored.truth * classes + scored.scores.argmax(axis=1), minlength=classes * classes)
    table: list[list[int]] = counts.reshape(classes, classes).tolist()
    return table


def _mean_area(scored: Scored, chunks: Iterable[npt.NDArray[Any]], classes: Sequence[int]) -> Floats:
    """Area under the ROC curve for each row of weights, the mean over classes of one against the rest."""
    ranked = [_Ranked.of(scored.truth == index, scored.scores[:, index]) for index in classes]
    return np.concatenate([np.mean([rank.auc(weights) for rank in ranked], axis=0) for weights in chunks])


@dataclass(frozen=True)
class _Ranked:
    """Rows by rising score, and where each group of equal scores begins."""

    order: Integers
    positive: Floats
    starts: Integers

    @classmethod
    def of(cls, positive: npt.NDArray[np.bool_], score: Floats) -> _Ranked:
        order = np.argsort(score, kind="stable")
        ranked = score[order]
        starts = np.flatnonzero(np.concatenate([[True], np.diff(ranked) > 0]))[: len(ranked)]
        return cls(order, positive[order].astype(np.float64), starts)

    def auc(self, weights: npt.NDArray[Any]) -> Floats:
        """The chance that a positive row scores above a negative one, ties half; NaN where a class is absent."""
        if not len(self.order):
            return np.full(len(weights), np.nan)
        ranked = weights[:, self.order]
        positives = np.add.reduceat(ranked * self.positive.astype(ranked.dtype), self.starts, axis=1)
        negatives = np.add.reduceat(ranked, self.starts, axis=1) - positives
        below = np.cumsum(negatives, axis=1) - negatives / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            pairs = positives.sum(axis=1, dtype=np.float64) * negatives.sum(axis=1, dtype=np.float64)
            area: Floats = np.einsum("ij,ij->i", positives, below, dtype=np.float64) / pairs
        return area
