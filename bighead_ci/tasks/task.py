"""What the engine asks of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from bighead_ci.documents.chart import Chart
from bighead_ci.documents.definition import ColumnType
from bighead_ci.documents.histogram import UNIT_BOUNDS, Histogram
from bighead_ci.documents.metrics import MetricDefinition
from bighead_ci.documents.target import Target, TargetSettings
from bighead_ci.errors import Problem
from bighead_ci.tasks.scored import Floats, Labels, Resamples, Scored

TRAINING_ROWS = "training rows"
"""What messages call them."""
AnswerFields = dict[str, tuple[Any, Any]]
"""Field of an answer → its type and default, as pydantic's `create_model` takes them."""


class Task(ABC):
    """One kind of answer. It has no state: what depends on labels is the target's."""

    name: ClassVar[str]
    metrics: ClassVar[Sequence[MetricDefinition]]
    """In the order in which reports show them."""
    primary: ClassVar[str]
    """The metric that a new model is judged by."""
    scored_by: ClassVar[str]
    """The estimator's method that gives scores."""
    outputs_are: ClassVar[Literal["probability", "value", "score"]]
    """What each number of the scores is."""
    stands_for_answer: ClassVar[str]
    """What `observed` is, in words."""

    starter: ClassVar[tuple[str, str]]
    """A linear model of scikit-learn for `bighead new model`: its name, and its arguments."""
    ranks: ClassVar[bool] = False
    """Whether scores put rows of one request in an order."""
    fields: ClassVar[frozenset[str]] = frozenset()
    """Fields of model.yaml that only some tasks have, and this one: `label.positive`."""
    label_types: ClassVar[frozenset[ColumnType]]
    """Of columns that can be its label."""

    def problems(self, settings: TargetSettings, label_type: ColumnType | None, primary: str) -> Iterator[Problem]:
        """What is wrong with a definition, as far as that can be told without data.

        Args:
            settings: What model.yaml says of the answer.
            label_type: Of the label's column; None: not known.
            primary: The metric that the model is judged by.
        """
        known = [metric.name for metric in self.metrics]
        if primary not in known:
            message, allowed = f"is no metric of task {self.name}", ", ".join(known)
            yield Problem(
                file=settings.file, subject="evaluation.primary", message=message, value=primary, allowed=allowed
            )
        if label_type is not None and label_type not in self.label_types:
            message, allowed = f"is no label of task {self.name}", ", ".join(sorted(self.label_types))
            value = f"{settings.label}: {label_type}"
            yield Problem(file=settings.file, subject="label.column", message=message, value=value, allowed=allowed)

    @abstractmethod
    def target(self, labels: Labels, settings: TargetSettings) -> Target:
        """What the training labels make of the definition.

        Args:
            labels: Of the training rows, without nulls: bools, integers, floats, or an object array of text.
            settings: What model.yaml asks for.

        Raises:
            InputError: the labels do not fit the task.
        """

    @abstractmethod
    def truth(self, labels: Labels, target: Target, rows: str) -> Labels:
        """Labels as the estimator and the metrics take them.

        Args:
            labels: As for `target`.
            target: The model's.
            rows: Which rows they are of, for messages: `evaluation rows`.

        Raises:
            InputError: a label does not fit the target.
        """

    def about_labels(self, truth: Labels) -> str:
        """What an author needs to know of labels that an estimator refuses; empty where it names them itself."""
        return ""

    def scores(self, estimator: Any, frame: Any) -> Floats:
        """What a fitted estimator gives rows, shape (rows, outputs) if it does what the task needs."""
        given: Floats = np.asarray(getattr(estimator, self.scored_by)(frame), dtype=np.float64)
        return given[:, None] if given.ndim == 1 else given

    def bounds(self, scores: Floats) -> list[float]:
        """Bounds of the bins in which answers like these are counted."""
        return list(UNIT_BOUNDS)

    def resamples(self, scored: Scored, samples: int, seed: int = 0) -> Resamples:
        """Bootstrap samples of the rows, drawn as they belong together."""
        return Resamples.draw(len(scored), samples, seed)

    @abstractmethod
    def points(self, scored: Scored, within: Scored) -> dict[str, float]:
        """Every metric of the rows; NaN where they do not define it.

        Args:
            scored: The rows.
            within: The rows that they are a part of, or themselves: metrics of a part are such as can stand beside
                those of the whole.
        """

    @abstractmethod
    def samples(self, scored: Scored, resamples: Resamples, within: Scored) -> dict[str, Floats]:
        """Every metric of each bootstrap sample of the rows."""

    @abstractmethod
    def why_undefined(self, scored: Scored) -> str:
        """Why these rows do not define a metric that others do."""

    def why_incomparable(self, ours: Target, theirs: Target) -> str:
        """Why metrics of two models cannot stand beside each other, as said of the other; empty where they can."""
        if ours.task != theirs.task:
            return f"answers another question: it is {theirs.task}, this run {ours.task}"
        if ours.outputs != theirs.outputs:
            return f"answers {', '.join(theirs.outputs[:10])}, this run {', '.join(ours.outputs[:10])}"
        return ""

    @abstractmethod
    def charts(self, scored: Scored) -> list[Chart]:
        """What is to be seen of an evaluation."""

    @abstractmethod
    def notes(self, scored: Scored) -> list[str]:
        """What must be known to read the metrics of an evaluation rightly, a sentence each."""

    @abstractmethod
    def answer(self, scores: Sequence[float], target: Target) -> dict[str, Any]:
        """What a caller is told of one row's scores."""

    @abstractmethod
    def answer_fields(self, target: Target) -> AnswerFields:
        """The schema of `answer`."""

    def answer_many(self, scores: Floats, target: Target) -> list[dict[str, Any]]:
        """What a caller is told of rows sent together: each as it is answered alone, unless they are a list."""
        return [self.answer(row, target) for row in scores.tolist()]

    def explained(self, target: Target) -> list[int]:
        """Which outputs an explanation is of."""
        return list(range(len(target.outputs)))

    @abstractmethod
    def observed(self, scores: Floats) -> Floats:
        """The one number a row that histograms count, of scores of shape (rows, outputs)."""

    @abstractmethod
    def observed_row(self, scores: Sequence[float]) -> float:
        """The same of one row."""

    @abstractmethod
    def prediction_columns(self, scored: Scored) -> dict[str, Any]:
        """Columns of `predictions.parquet`: `label`, then scores, NumPy arrays."""

    @abstractmethod
    def scored_rows(self, columns: dict[str, Any], target: Target) -> Scored:
        """What `prediction_columns` was made of.

        Raises:
            InputError: they are of another target.
        """

    def histogram(self, scores: Floats, target: Target) -> Histogram:
        """Answers counted in the target's bins."""
        places = np.searchsorted(target.bounds, self.observed(scores), side="left")
        counts = np.bincount(places, minlength=len(target.bounds) + 1)
        return Histogram(bounds=target.bounds, counts=counts.tolist())


def value_bounds(values: Floats) -> list[float]:
    """Bounds of eighteen equal bins where all but one in a hundred values lie, and an open one at either end.

    They are of a model's own values: these may keep to a small part of the labels' range.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return [0.0]
    low, high = np.percentile(finite, [0.5, 99.5])
    edges = np.linspace(low, high, 19) if high > low else np.array([low])
    return sorted({float(f"{edge:.6g}") for edge in edges})
