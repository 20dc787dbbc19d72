"""Two classes; the answer is the score of the positive one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from bighead_ci.documents.chart import Chart, Curve, CurvePoint
from bighead_ci.documents.definition import ColumnType
from bighead_ci.documents.target import Target, TargetSettings
from bighead_ci.errors import InputError, Problem
from bighead_ci.tasks.classes import ClassTask, class_names, listed
from bighead_ci.tasks.scored import Floats, Integers, Labels, Scored
from bighead_ci.tasks.task import AnswerFields

CLASSES = 2
POSITIVE = 1
"""Its place among the outputs."""
_ZERO_AND_ONE = ["0", "1"]


class Binary(ClassTask):
    """One of two classes."""

    name: ClassVar[str] = "binary"
    primary: ClassVar[str] = "auc"
    stands_for_answer: ClassVar[str] = "score of the positive class"
    fields: ClassVar[frozenset[str]] = frozenset({"label.positive"})

    def target(self, labels: Labels, settings: TargetSettings) -> Target:
        """The two classes, the positive one last."""
        names = class_names(labels, settings.file)
        if len(names) != CLASSES:
            message = f"the labels of the training rows have {len(names)} classes ({listed(names)})"
            message += f"; binary needs exactly {CLASSES}"
            raise InputError([Problem(file=settings.file, subject="label.column", message=message)])
        positive = self._positive(names, settings)
        return Target(task=self.name, outputs=[*(name for name in names if name != positive), positive])

    @staticmethod
    def _positive(names: list[str], settings: TargetSettings) -> str:
        """Which of the two is the positive class: nothing but its author's word tells, unless they are 0 and 1."""
        wanted, allowed = settings.positive, " or ".join(names)
        if wanted is None and names == _ZERO_AND_ONE:
            return names[POSITIVE]
        if wanted is None:
            message = "is required: it says which of the two classes the score is of"
            raise InputError([Problem(file=settings.file, subject="label.positive", message=message, allowed=allowed)])
        name = str(int(wanted)) if isinstance(wanted, bool) else str(wanted)
        if name not in names:
            message = "is neither of the two classes that the labels of the training rows have"
            raise InputError(
                [Problem(file=settings.file, subject="label.positive", message=message, value=name, allowed=allowed)]
            )
        return name

    def problems(self, settings: TargetSettings, label_type: ColumnType | None, primary: str) -> Iterator[Problem]:
        """Text says by itself nothing about which class is meant."""
        yield from super().problems(settings, label_type, primary)
        if label_type == "string" and settings.positive is None:
            message = "is required where labels are text: it says which of the two classes the score is of"
            allowed = f"one of the two values of {settings.label}"
            yield Problem(file=settings.file, subject="label.positive", message=message, allowed=allowed)

    def why_incomparable(self, ours: Target, theirs: Target) -> str:
        """The same two classes with the other one positive would be compared as if they agreed."""
        if ours.task == theirs.task and ours.outputs != theirs.outputs:
            (negative, positive), (others_negative, others_positive) = ours.outputs, theirs.outputs
            return (
                f"tells {others_positive} (positive) from {others_negative}, "
                f"this run {positive} (positive) from {negative}"
            )
        return super().why_incomparable(ours, theirs)

    def judged(self, within: Integers) -> Sequence[int]:
        """The positive class against the other."""
        return [POSITIVE]

    def brier(self, squared: Floats) -> Floats:
        """Of the positive class only, as it is usual: half of the sum over both."""
        return squared / 2

    def charts(self, scored: Scored) -> list[Chart]:
        """ROC curve and calibration besides."""
        curves: list[Chart] = []
        if points := roc(scored):
            x, y = "false positive rate", "true positive rate"
            curves.append(Curve(name="ROC", x=x, y=y, points=points, dots=False))
        if points := calibration(scored):
            curves.append(Curve(name="calibration", x="mean score", y="observed rate", points=points))
        return [*curves, *super().charts(scored)]

    def answer(self, scores: Sequence[float], target: Target) -> dict[str, Any]:
        """The score of the positive class."""
        return {"score": scores[POSITIVE]}

    def answer_fields(self, target: Target) -> AnswerFields:
        """One number."""
        return {"score": (float, ...)}

    def explained(self, target: Target) -> list[int]:
        """The positive class: what speaks for it speaks against the other."""
        return [POSITIVE]

    def observed(self, scores: Floats) -> Floats:
        """The score of the positive class."""
        positive: Floats = scores[:, POSITIVE]
        return positive

    def observed_row(self, scores: Sequence[float]) -> float:
        """The same."""
        return scores[POSITIVE]

    def prediction_columns(self, scored: Scored) -> dict[str, Any]:
        """The label is 1 for the positive class."""
        return {"label": scored.truth, "score": scored.scores[:, POSITIVE]}

    def scored_rows(self, columns: dict[str, Any], target: Target) -> Scored:
        """The other class has what is left of 1."""
        positive = columns["score"].astype(np.float64)
        truth = columns["label"].astype(np.int64)
        return Scored(target, truth, np.column_stack([1 - positive, positive]))


def calibration(scored: Scored) -> list[CurvePoint]:
    """Mean score → observed rate of the positive class, by decile of the score."""
    positive, truth = scored.scores[:, POSITIVE], scored.truth
    groups = np.array_split(np.argsort(positive, kind="stable"), 10)
    return [CurvePoint(x=float(positive[g].mean()), y=float((truth[g] == POSITIVE).mean())) for g in groups if len(g)]


def roc(scored: Scored, points: int = 50) -> list[CurvePoint]:
    """False → true positive rate, at most `points` of the curve; empty unless both classes occur."""
    score, truth = scored.scores[:, POSITIVE], scored.truth
    order = np.argsort(-score, kind="stable")
    ranked, positive = score[order], truth[order] == POSITIVE
    total = int(positive.sum())
    if total in (0, len(truth)):
        return []
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    hits = np.cumsum(positive)[ends]
    true_rate = np.concatenate([[0.0], hits / total])
    false_rate = np.concatenate([[0.0], (ends + 1 - hits) / (len(truth) - total)])
    kept = np.unique(np.linspace(0, len(true_rate) - 1, min(points, len(true_rate))).astype(np.int64))
    return [CurvePoint(x=float(false_rate[i]), y=float(true_rate[i])) for i in kept]
