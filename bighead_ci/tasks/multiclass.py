"""Two classes or more; the answer is the likeliest, with the scores of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from bighead_ci.documents.target import Target, TargetSettings
from bighead_ci.errors import InputError, Problem
from bighead_ci.tasks.classes import ClassTask, class_names, listed, occurring
from bighead_ci.tasks.scored import Floats, Integers, Labels, Scored
from bighead_ci.tasks.task import AnswerFields

LEAST_CLASSES = 2
_SCORE = "score_{}".format


class Multiclass(ClassTask):
    """One of some classes."""

    name: ClassVar[str] = "multiclass"
    primary: ClassVar[str] = "accuracy"
    stands_for_answer: ClassVar[str] = "score of the likeliest class"

    def target(self, labels: Labels, settings: TargetSettings) -> Target:
        """The classes in the order of their values."""
        names = class_names(labels, settings.file)
        if len(names) < LEAST_CLASSES:
            message = f"the labels of the training rows have {len(names)} classes ({listed(names)})"
            message += f"; multiclass needs {LEAST_CLASSES} or more"
            raise InputError([Problem(file=settings.file, subject="label.column", message=message)])
        return Target(task=self.name, outputs=names)

    def judged(self, within: Integers) -> Sequence[int]:
        """Each class that some row of the whole is of, against the rest; all where there are no rows."""
        return occurring(within) or [0]

    def brier(self, squared: Floats) -> Floats:
        """The sum over classes."""
        return squared

    def answer(self, scores: Sequence[float], target: Target) -> dict[str, Any]:
        """The likeliest class, and what each scores."""
        best = max(range(len(scores)), key=scores.__getitem__)
        return {"class": target.outputs[best], "scores": dict(zip(target.outputs, scores, strict=True))}

    def answer_fields(self, target: Target) -> AnswerFields:
        """A name, and a number a class."""
        return {"class": (str, ...), "scores": (dict[str, float], ...)}

    def observed(self, scores: Floats) -> Floats:
        """The highest score."""
        highest: Floats = scores.max(axis=1)
        return highest

    def observed_row(self, scores: Sequence[float]) -> float:
        """The same."""
        return max(scores)

    def prediction_columns(self, scored: Scored) -> dict[str, Any]:
        """The label is its name; a column of scores a class."""
        names = scored.target.outputs
        columns: dict[str, Any] = {"label": np.array(names, dtype=object)[scored.truth]}
        return columns | {_SCORE(name): scored.scores[:, index] for index, name in enumerate(names)}

    def scored_rows(self, columns: dict[str, Any], target: Target) -> Scored:
        """Classes by name."""
        scores = np.column_stack([columns[_SCORE(name)].astype(np.float64) for name in target.outputs])
        return Scored(target, self.truth(columns["label"], target, "predictions"), scores)
