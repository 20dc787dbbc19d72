"""Candidates in order: rows of one group are a list, and the score of each says where in it a row belongs.

Labels are grades of 0 or more, each as much gain as it says. Where two rows score the same, each has the mean of their
discounts, as in scikit-learn; a reciprocal rank counts the worst of the places that it might have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.chart import Chart, Curve, CurvePoint
from bighead_ci.documents.definition import ColumnType
from bighead_ci.documents.metrics import MetricDefinition
from bighead_ci.documents.target import Target, TargetSettings
from bighead_ci.errors import InputError, Problem
from bighead_ci.tasks.places import LABEL, at_field
from bighead_ci.tasks.scored import Floats, Integers, Labels, Resamples, Scored
from bighead_ci.tasks.task import TRAINING_ROWS, AnswerFields, Task, value_bounds

SCORE = "score"
_CUTS = {"ndcg": None, "ndcg_5": 5, "ndcg_10": 10}
"""Metric → how many places count; None: all."""
_CHARTED = 10

METRICS = (
    MetricDefinition(
        "ndcg", "NDCG", True, 0.0, 1.0,
        "normalised discounted cumulative gain, the mean over groups that have rows of different grades",
    ),
    MetricDefinition("ndcg_5", "NDCG@5", True, 0.0, 1.0, "the same of the first five places"),
    MetricDefinition("ndcg_10", "NDCG@10", True, 0.0, 1.0, "the same of the first ten places"),
    MetricDefinition(
        "mrr", "MRR", True, 0.0, 1.0, "mean over the same groups of 1 / the place of the first row with a grade above 0"
    ),
)  # fmt: skip


class Ranking(Task):
    """An order of candidates."""

    name: ClassVar[str] = "ranking"
    metrics: ClassVar[Sequence[MetricDefinition]] = METRICS
    primary: ClassVar[str] = "ndcg"
    scored_by: ClassVar[str] = "predict"
    outputs_are: ClassVar[Literal["probability", "value", "score"]] = "score"
    stands_for_answer: ClassVar[str] = "score of a candidate"
    starter: ClassVar[tuple[str, str]] = ("Ridge", 'alpha=parameters["regularisation"]')
    ranks: ClassVar[bool] = True
    fields: ClassVar[frozenset[str]] = frozenset({"group"})
    label_types: ClassVar[frozenset[ColumnType]] = frozenset({"int64", "float64", "bool"})

    def problems(self, settings: TargetSettings, label_type: ColumnType | None, primary: str) -> Iterator[Problem]:
        """Without groups there is nothing to put in order."""
        yield from super().problems(settings, label_type, primary)
        if settings.group is None:
            message = "is required: rows with the same value of it are one list of candidates"
            wanted = "a column of the spine's source"
            yield Problem(file=settings.file, subject="group", message=message, allowed=wanted)

    def target(self, labels: Labels, settings: TargetSettings) -> Target:
        """One score."""
        with at_field(settings.file, LABEL):
            grades = self._grades(labels, TRAINING_ROWS)
        if not len(grades) or grades.min() == grades.max():
            held = f"all {grades[0]:g}" if len(grades) else "none"
            message = f"the labels of the training rows are {held}: no row is better than another"
            raise InputError([Problem(file=settings.file, subject=LABEL, message=message)])
        return Target(task=self.name, outputs=[SCORE], bounds=[])

    def truth(self, labels: Labels, target: Target, rows: str) -> Labels:
        """The grades."""
        return self._grades(labels, rows)

    def about_labels(self, truth: Labels) -> str:
        """Their range."""
        return f"grades from {truth.min():g} to {truth.max():g}"

    def bounds(self, scores: Floats) -> list[float]:
        """Of the model's own scores, which have no unit."""
        return value_bounds(scores[:, 0])

    def resamples(self, scored: Scored, samples: int, seed: int = 0) -> Resamples:
        """Of groups, with all their rows: rows of one group say nothing without each other."""
        groups = _Groups.of(scored)
        drawn = Resamples.draw(groups.count, samples, seed)
        return Resamples(drawn.counts[:, groups.of_row])

    def points(self, scored: Scored, within: Scored) -> dict[str, float]:
        """Means over groups that have an order."""
        groups = _Groups.of(scored)
        with np.errstate(invalid="ignore"):
            return {
                name: float(values[groups.ordered].mean()) if groups.ordered.any() else np.nan
                for name, values in groups.figures().items()
            }

    def samples(self, scored: Scored, resamples: Resamples, within: Scored) -> dict[str, Floats]:
        """The same of each sample of groups."""
        groups = _Groups.of(scored)
        kept = groups.first[groups.ordered]
        return resamples.at(kept).means({name: values[groups.ordered] for name, values in groups.figures().items()})

    def why_undefined(self, scored: Scored) -> str:
        """No group has an order."""
        return "no group of the evaluation rows has two rows of different grades; see group and split in model.yaml"

    def charts(self, scored: Scored) -> list[Chart]:
        """The mean grade at each of the first places, best first by score, as a share of the best grade there is."""
        groups, best = _Groups.of(scored), float(scored.truth.max(initial=0.0))
        if not groups.ordered.any() or best <= 0:
            return []
        order, place = groups.ranked(scored.scores[:, 0])
        useful = groups.ordered[groups.of_row[order]]
        points = []
        for at in range(_CHARTED):
            here = scored.truth[order][useful & (place == at)]
            if len(here):
                points.append(CurvePoint(x=at + 1.0, y=float(here.mean()) / best))
        y = "mean grade, share of the best"
        return [Curve(name="grade by place", x="place", y=y, points=points, unit=False, comparable=False)]

    def notes(self, scored: Scored) -> list[str]:
        """Groups that say nothing about an order."""
        groups = _Groups.of(scored)
        single = int((groups.sizes == 1).sum())
        alike = int((~groups.ordered).sum()) - single
        found = []
        if single:
            found.append(
                f"{single:,} of {groups.count:,} groups are of one row, which has no order: they count nowhere"
            )
        if alike:
            found.append(f"{alike:,} of {groups.count:,} groups have rows of one grade alone: they count nowhere")
        return found

    def answer(self, scores: Sequence[float], target: Target) -> dict[str, Any]:
        """The score, which means something beside those of other candidates."""
        return {SCORE: scores[0]}

    def answer_fields(self, target: Target) -> AnswerFields:
        """One number."""
        return {SCORE: (float, ...)}

    def answer_many(self, scores: Floats, target: Target) -> list[dict[str, Any]]:
        """Best first, each with its place among what was sent; of equals the one that was sent first."""
        order = np.argsort(-scores[:, 0], kind="stable").tolist()
        ranked = enumerate(order, start=1)
        return [{"rank": rank, "index": index, SCORE: float(scores[index, 0])} for rank, index in ranked]

    def observed(self, scores: Floats) -> Floats:
        """The score."""
        score: Floats = scores[:, 0]
        return score

    def observed_row(self, scores: Sequence[float]) -> float:
        """The same."""
        return scores[0]

    def prediction_columns(self, scored: Scored) -> dict[str, Any]:
        """Grade, score and group."""
        return {"label": scored.truth, SCORE: scored.scores[:, 0], "group": scored.groups}

    def scored_rows(self, columns: dict[str, Any], target: Target) -> Scored:
        """By name."""
        scores = columns[SCORE].astype(np.float64)[:, None]
        return Scored(target, columns["label"].astype(np.float64), scores, columns["group"])

    @staticmethod
    def _grades(labels: Labels, rows: str) -> Labels:
        if labels.dtype.kind not in "biuf":
            raise InputError(f"{rows}: labels are text; ranking needs grades: numbers of 0 or more")
        grades = labels.astype(np.float64)
        wrong = ~np.isfinite(grades) | (grades < 0)
        if wrong.any():
            shown = ", ".join(f"{value:g}" for value in np.unique(grades[wrong])[:3].tolist())
            message = f"{int(wrong.sum()):,} labels are no grades: {shown}; allowed: numbers of 0 or more"
            raise InputError(f"{rows}: {message}")
        return grades


@dataclass(frozen=True)
class _Groups:
    """Rows by the group that they are in."""

    truth: Floats
    scores: Floats
    of_row: Integers
    """Which group each row is in."""
    first: Integers
    """A row of each group."""
    sizes: Integers
    ordered: npt.NDArray[np.bool_]
    """Whether a group has rows of different grades: in others no order is better than another."""

    @classmethod
    def of(cls, scored: Scored) -> _Groups:
        groups = np.zeros(len(scored), dtype=np.int64) if scored.groups is None else scored.groups
        _, first, of_row, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
        low, high = (np.full(len(sizes), value) for value in (np.inf, -np.inf))
        np.minimum.at(low, of_row, scored.truth)
        np.maximum.at(high, of_row, scored.truth)
        return cls(scored.truth, scored.scores[:, 0], of_row, first, sizes, high > low)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.sizes)

    def ranked(self, by: Floats) -> tuple[Integers, Integers]:
        """Rows by group and falling value, and the place of each in its group."""
        order = np.lexsort((-by, self.of_row))
        starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]]) if self.count else self.sizes
        return order, np.arange(len(order)) - np.repeat(starts, self.sizes)

    def figures(self) -> dict[str, Floats]:
        """Each metric of each group; of no meaning where the group is not ordered."""
        return {name: self._ndcg(cut) for name, cut in _CUTS.items()} | {"mrr": self._reciprocal_ranks()}

    def _ndcg(self, cut: int | None) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            gained: Floats = self._gain(self.scores, cut) / self._gain(self.truth, cut)
        return gained

    def _gain(self, by: Floats, cut: int | None) -> Floats:
        """Discounted gain of each group in the order of a value; rows of one value share their discounts."""
        order, place = self.ranked(by)
        discount = 1 / np.log2(place + 2.0)
        if cut is not None:
            discount[place >= cut] = 0.0
        ties = self._ties(order, by)
        shared = (np.bincount(ties, discount) / np.bincount(ties))[ties] if len(ties) else discount
        gains = np.bincount(self.of_row[order], self.truth[order] * shared, minlength=self.count)
        return gains.astype(np.float64)

    def _reciprocal_ranks(self) -> Floats:
        order, place = self.ranked(self.scores)
        ties = self._ties(order, self.scores)
        last = np.zeros(int(ties.max(initial=-1)) + 1)
        np.maximum.at(last, ties, place)
        found = np.zeros(self.count)
        relevant = self.truth[order] > 0
        np.maximum.at(found, self.of_row[order][relevant], 1 / (last[ties][relevant] + 1))
        return found

    def _ties(self, order: Integers, by: Floats) -> Integers:
        """Which rows in order share group and value, by number."""
        if not len(order):
            return order
        groups, values = self.of_row[order], by[order]
        fresh = np.concatenate([[True], (np.diff(groups) != 0) | (np.diff(values) != 0)])
        numbers: Integers = np.cumsum(fresh) - 1
        return numbers
