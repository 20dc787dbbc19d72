"""Metrics with 95 % bootstrap intervals, of one model's scores and of two models on the same rows.

Every metric is computed from weights: a bootstrap sample is how often each row was drawn, so one sort serves them all.
Scores have shape (rows, classes); truth holds class indices. With two classes the second is the positive one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bighead_ci.documents.metrics import METRICS
from bighead_ci.documents.record import SCORE_BINS, CurvePoint, Metric, MetricDifference
from bighead_ci.errors import InputError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

CLIP = float(np.finfo(np.float32).eps)
"""Scores are float32: log_loss takes none nearer to 0 or 1 than this."""

BINARY = 2
_CHUNK_CELLS = 4_000_000
_EXACT_IN_FLOAT32 = 2**22
"""Rows up to which sums of counts, and halves of them, are exact in float32."""
_LEVELS = (2.5, 97.5)


@dataclass(frozen=True)
class Resamples:
    """How often each bootstrap sample drew each row: shape (samples, rows)."""

    counts: npt.NDArray[np.uint8]

    @classmethod
    def draw(cls, rows: int, samples: int, seed: int = 0) -> Resamples:
        """Draw `samples` times `rows` rows with replacement."""
        generator = np.random.default_rng(seed)
        counts = np.empty((samples, rows), dtype=np.uint8)
        for sample in range(samples):
            drawn = generator.integers(0, max(rows, 1), rows, dtype=np.int64)
            counts[sample] = np.minimum(np.bincount(drawn, minlength=rows), 255)
        return cls(counts)

    def at(self, rows: npt.NDArray[np.bool_] | Integers) -> Resamples:
        """The same samples, looking only at some rows."""
        return Resamples(self.counts[:, rows])

    def chunks(self, kind: type[np.floating[Any]]) -> Iterator[npt.NDArray[Any]]:
        """The counts as floats, some samples at a time so that memory stays bounded."""
        samples, rows = self.counts.shape
        step = max(1, _CHUNK_CELLS // max(rows, 1))
        for start in range(0, samples, step):
            yield self.counts[start : start + step].astype(kind)


def occurring(truth: Integers) -> list[int]:
    """The classes that some row is of."""
    found: list[int] = np.unique(truth).tolist()
    return found


def measure(
    truth: Integers, scores: Floats, resamples: Resamples, classes: Sequence[int] | None = None
) -> dict[str, Metric]:
    """Each metric that these rows define, with its interval.

    With more than two classes auc is the mean over `classes` of one against the rest, by default over those that occur;
    where one of them has no row, or all rows, there is none.
    """
    over = occurring(truth) if classes is None else classes
    points, samples = _point(truth, scores, over), _sampled(truth, scores, resamples, over)
    measured = {}
    for name in METRICS:
        if np.isfinite(points[name]):
            low, high = _interval(samples[name])
            measured[name] = Metric(value=points[name], low=low, high=high)
    return measured


def paired_differences(
    mine: pa.Table, other: pa.Table, against: str, model_version: str, samples: int = 200, seed: int = 0
) -> list[MetricDifference]:
    """Ours minus theirs by metric, on the same rows in the same order, as `pairing.match_rows` gives them.

    Args:
        mine: `predictions.parquet` of one record, some of its rows.
        other: The same rows of another record.
        against: Environment that serves the other.
        model_version: The other's version.
        samples: How many bootstrap samples.
        seed: Of the bootstrap.
    """
    classes = prediction_classes(mine)
    truth = prediction_truth(mine, classes)
    resamples = Resamples.draw(len(truth), samples, seed)
    our_scores, their_scores = prediction_scores(mine, classes), prediction_scores(other, classes)
    over = occurring(truth)
    our_points, their_points = (_point(truth, scores, over) for scores in (our_scores, their_scores))
    our_samples, their_samples = (_sampled(truth, scores, resamples, over) for scores in (our_scores, their_scores))
    found = []
    for name in METRICS:
        if not np.isfinite(our_points[name]):
            continue
        low, high = _interval(our_samples[name] - their_samples[name])
        found.append(
            MetricDifference(
                metric=name,
                against=against,
                model_version=model_version,
                ours=our_points[name],
                theirs=their_points[name],
                difference=our_points[name] - their_points[name],
                low=low,
                high=high,
                rows=len(truth),
            )
        )
    return found


def predictions_table(rows: pa.Table, truth: Integers, scores: Floats, classes: Sequence[str]) -> pa.Table:
    """What `predictions.parquet` holds of rows of a training set: with two classes the label is 0 or 1, else its name.

    The time is there to tell whether an event id still means its row; it is null where the spine has none.
    """
    timed = "__timestamp" in rows.column_names
    times = rows["__timestamp"] if timed else pa.nulls(rows.num_rows, pa.timestamp("us"))
    columns: dict[str, object] = {"__event_id": rows["__event_id"], "__timestamp": times}
    if len(classes) == BINARY:
        return pa.table(columns | {"label": truth, "score": scores[:, 1]})
    names = np.array(classes, dtype=object)
    columns["label"] = pa.array(names[truth], pa.string())
    return pa.table(columns | {f"score_{name}": scores[:, index] for index, name in enumerate(classes)})


def prediction_classes(predictions: pa.Table) -> list[str]:
    """Class names of a predictions table; `0` and `1` for two classes."""
    if "score" in predictions.column_names:
        return ["0", "1"]
    return [name.removeprefix("score_") for name in predictions.column_names if name.startswith("score_")]


def prediction_scores(predictions: pa.Table, classes: Sequence[str]) -> Floats:
    """Scores of a predictions table, shape (rows, classes)."""
    if "score" in predictions.column_names:
        positive = predictions["score"].to_numpy().astype(np.float64)
        return np.column_stack([1 - positive, positive])
    return np.column_stack([predictions[f"score_{name}"].to_numpy().astype(np.float64) for name in classes])


def prediction_truth(predictions: pa.Table, classes: Sequence[str]) -> Integers:
    """Class indices of the labels of a predictions table.

    Raises:
        InputError: a label is no class.
    """
    labels = predictions["label"].cast(pa.string())
    indices = pc.index_in(labels, value_set=pa.array(list(classes), pa.string()))
    if indices.null_count:
        raise InputError(f"predictions: {indices.null_count} labels are none of the classes {', '.join(classes)}")
    found: Integers = indices.to_numpy().astype(np.int64)
    return found


def calibration(truth: Integers, scores: Floats) -> list[CurvePoint]:
    """Mean score → observed rate of the positive class, by decile of the score."""
    positive = scores[:, 1]
    groups = np.array_split(np.argsort(positive, kind="stable"), 10)
    return [CurvePoint(x=float(positive[g].mean()), y=float((truth[g] == 1).mean())) for g in groups if len(g)]


def roc(truth: Integers, scores: Floats, points: int = 50) -> list[CurvePoint]:
    """False → true positive rate, at most `points` of the curve; empty unless both classes occur."""
    order = np.argsort(-scores[:, 1], kind="stable")
    ranked, positive = scores[order, 1], truth[order] == 1
    total = int(positive.sum())
    if total in (0, len(truth)):
        return []
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    hits = np.cumsum(positive)[ends]
    true_rate = np.concatenate([[0.0], hits / total])
    false_rate = np.concatenate([[0.0], (ends + 1 - hits) / (len(truth) - total)])
    kept = np.unique(np.linspace(0, len(true_rate) - 1, min(points, len(true_rate))).astype(np.int64))
    return [CurvePoint(x=float(false_rate[i]), y=float(true_rate[i])) for i in kept]


def confusion(truth: Integers, scores: Floats) -> list[list[int]]:
    """Counts: row the truth, column the class with the highest score."""
    classes = scores.shape[1]
    counts = np.bincount(truth * classes + scores.argmax(axis=1), minlength=classes * classes)
    table: list[list[int]] = counts.reshape(classes, classes).tolist()
    return table


def score_histogram(scores: Floats, bins: int = SCORE_BINS) -> list[int]:
    """Equal bins over [0, 1] of the positive class's score, or with more classes of the highest."""
    values = scores[:, 1] if scores.shape[1] == BINARY else scores.max(axis=1)
    counts: list[int] = np.histogram(np.clip(values, 0, 1), bins=bins, range=(0, 1))[0].tolist()
    return counts


def _row_losses(truth: Integers, scores: Floats) -> dict[str, Floats]:
    """The metrics that are means over rows, before the mean."""
    chosen = scores[np.arange(len(truth)), truth]
    onehot = np.eye(scores.shape[1])[truth]
    squared = ((scores - onehot) ** 2).sum(axis=1)
    return {
        "log_loss": -np.log(np.clip(chosen, CLIP, 1 - CLIP)),
        # With two classes the usual Brier score counts the positive class only: half of the sum over both.
        "brier": squared / 2 if scores.shape[1] == BINARY else squared,
        "accuracy": (scores.argmax(axis=1) == truth).astype(np.float64),
    }


def _point(truth: Integers, scores: Floats, over: Sequence[int]) -> dict[str, float]:
    once = np.ones((1, len(truth)))
    values = {
        name: float(losses.mean()) if len(truth) else np.nan for name, losses in _row_losses(truth, scores).items()
    }
    return values | {"auc": float(_auc_over_classes(truth, scores, [once], over)[0])}


def _sampled(truth: Integers, scores: Floats, resamples: Resamples, over: Sequence[int]) -> dict[str, Floats]:
    losses = _row_losses(truth, scores)
    stacked = np.stack(list(losses.values()), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [weights @ stacked / weights.sum(axis=1, keepdims=True) for weights in resamples.chunks(np.float64)]
    table = np.concatenate(means)
    values = {name: table[:, index] for index, name in enumerate(losses)}
    # Counts up to here are exact in float32, which is twice as fast.
    kind = np.float32 if len(truth) <= _EXACT_IN_FLOAT32 else np.float64
    return values | {"auc": _auc_over_classes(truth, scores, resamples.chunks(kind), over)}


def _auc_over_classes(
    truth: Integers, scores: Floats, chunks: Iterable[npt.NDArray[Any]], over: Sequence[int]
) -> Floats:
    """Area under the ROC curve for each row of weights; with more than two classes the mean of one against the rest."""
    wanted = [1] if scores.shape[1] == BINARY else over
    ranked = [_Ranked.of(truth == index, scores[:, index]) for index in wanted]
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


def _interval(samples: Floats) -> tuple[float, float]:
    finite = samples[np.isfinite(samples)]
    low, high = np.percentile(finite, _LEVELS) if len(finite) else (np.nan, np.nan)
    return float(low), float(high)
