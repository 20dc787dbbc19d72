"""Metrics equal scikit-learn's, and their intervals behave."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from bighead_ci.documents.metrics import METRICS, MetricName
from bighead_ci.errors import InputError
from bighead_ci.transforms.metrics import (
    CLIP,
    Floats,
    Integers,
    Resamples,
    calibration,
    confusion,
    measure,
    paired_differences,
    prediction_truth,
    predictions_table,
    roc,
    score_histogram,
)

# Few distinct scores on purpose: ties are where areas under curves go wrong.
SCORE = st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.625, 1.0])


@st.composite
def binary(draw: st.DrawFn) -> tuple[Integers, Floats]:
    rows = draw(st.lists(st.tuples(st.integers(0, 1), SCORE), min_size=2, max_size=60))
    truth = np.array([label for label, _ in rows], dtype=np.int64)
    truth[:2] = [0, 1]
    positive = np.array([score for _, score in rows])
    return truth, np.column_stack([1 - positive, positive])


def three_classes(rows: int = 300, seed: int = 0) -> tuple[Integers, Floats]:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 3, rows)
    scores = generator.dirichlet([1, 1, 1], rows) + 0.5 * np.eye(3)[truth]
    return truth, scores / scores.sum(axis=1, keepdims=True)


def noisy(rows: int = 2000, seed: int = 0, signal: float = 0.2) -> tuple[Integers, Floats]:
    generator = np.random.default_rng(seed)
    truth = np.random.default_rng(1).integers(0, 2, rows)
    positive = np.clip(generator.normal(0.5 + signal * (truth - 0.5), 0.2), 0, 1)
    return truth, np.column_stack([1 - positive, positive])


def test_every_metric_of_the_table_is_measured() -> None:
    """Evaluation, the table and what a definition may name as primary know the same metrics."""
    truth, scores = noisy()
    assert list(measure(truth, scores, Resamples.draw(len(truth), 2))) == list(METRICS)
    assert set(METRICS) == set(get_args(MetricName))


@given(binary() | st.integers(0, 20).map(lambda seed: three_classes(seed=seed)))
@settings(max_examples=100, deadline=None)
def test_each_metric_is_good_the_way_the_table_says(rows: tuple[Integers, Floats]) -> None:
    """Nothing beats scores that equal the truth, and every value lies in the metric's range."""
    truth, scores = rows
    once = Resamples.draw(len(truth), 1)
    perfect, found = measure(truth, np.eye(scores.shape[1])[truth], once), measure(truth, scores, once)
    assert perfect.keys() == found.keys()
    for name, metric in found.items():
        assert METRICS[name].least <= metric.value <= METRICS[name].most
        assert METRICS[name].gain(perfect[name].value - metric.value) >= 0


@given(binary())
@settings(max_examples=100, deadline=None)
def test_binary_metrics_equal_scikit_learns(rows: tuple[Integers, Floats]) -> None:
    """Every binary metric is scikit-learn's, ties included."""
    truth, scores = rows
    measured = measure(truth, scores, Resamples.draw(len(truth), 50))
    positive = scores[:, 1]
    assert measured["auc"].value == pytest.approx(reference.roc_auc_score(truth, positive))
    assert measured["log_loss"].value == pytest.approx(reference.log_loss(truth, np.clip(positive, CLIP, 1 - CLIP)))
    assert measured["brier"].value == pytest.approx(reference.brier_score_loss(truth, positive))
    assert measured["accuracy"].value == pytest.approx(reference.accuracy_score(truth, positive > 0.5))


def test_multiclass_metrics_equal_scikit_learns() -> None:
    """With three classes the area is the mean of one against the rest."""
    truth, scores = three_classes()
    measured = measure(truth, scores, Resamples.draw(len(truth), 50))
    assert measured["auc"].value == pytest.approx(reference.roc_auc_score(truth, scores, multi_class="ovr"))
    assert measured["log_loss"].value == pytest.approx(reference.log_loss(truth, scores))
    assert measured["accuracy"].value == pytest.approx(reference.accuracy_score(truth, scores.argmax(axis=1)))
    assert confusion(truth, scores) == reference.confusion_matrix(truth, scores.argmax(axis=1)).tolist()


def test_a_resampled_area_is_the_area_of_the_drawn_rows() -> None:
    """Weighting rows by how often they were drawn gives what drawing them gives."""
    truth, scores = noisy(200)
    resamples = Resamples.draw(200, 1, seed=5)
    drawn = np.repeat(np.arange(200), resamples.counts[0])
    measured = measure(truth, scores, resamples)
    expected = reference.roc_auc_score(truth[drawn], scores[drawn, 1])
    assert measured["auc"].low == pytest.approx(expected)
    assert measured["accuracy"].low == pytest.approx(((scores[drawn, 1] > 0.5) == truth[drawn]).mean())


def test_the_interval_holds_the_value_and_narrows_with_more_rows() -> None:
    """A bootstrap interval surrounds the point and shrinks as rows grow."""
    widths = []
    for rows in (500, 8000):
        truth, scores = noisy(rows)
        auc = measure(truth, scores, Resamples.draw(rows, 200))["auc"]
        assert auc.low < auc.value < auc.high
        widths.append(auc.high - auc.low)
    assert widths[1] < widths[0] / 2


def test_the_same_seed_gives_the_same_interval() -> None:
    """Intervals are reproducible."""
    truth, scores = noisy(400)
    assert measure(truth, scores, Resamples.draw(400, 60)) == measure(truth, scores, Resamples.draw(400, 60))


def test_a_metric_that_the_rows_do_not_define_is_left_out() -> None:
    """Rows of one class have no area under a curve, but the other metrics stand."""
    truth, scores = np.ones(5, dtype=np.int64), np.tile([0.2, 0.8], (5, 1))
    measured = measure(truth, scores, Resamples.draw(5, 50))
    assert set(measured) == {"log_loss", "brier", "accuracy"}
    assert roc(truth, scores) == []


def test_an_absent_class_is_left_out_of_the_mean() -> None:
    """One of three has no row: each of the other two is held against the rest; bootstrap and comparison do the same."""
    truth, scores = three_classes(400)
    kept = truth != 1
    truth, scores = truth[kept], scores[kept]
    expected = np.mean([reference.roc_auc_score(truth == one, scores[:, one]) for one in (0, 2)])
    measured = measure(truth, scores, Resamples.draw(len(truth), 50))
    assert measured["auc"].value == pytest.approx(expected)
    assert measured["auc"].low < expected < measured["auc"].high
    rows = predictions_table(pa.table({"__event_id": np.arange(len(truth))}), truth, scores, ["a", "b", "c"])
    found = {d.metric: d for d in paired_differences(rows, rows, against="prod", model_version="v1")}
    assert found["auc"].ours == pytest.approx(expected)
    assert "auc" not in measure(truth[truth == 2], scores[truth == 2], Resamples.draw(int((truth == 2).sum()), 50))


def test_a_mean_over_given_classes_needs_all_of_them() -> None:
    """A slice that lacks a class has no auc that could stand beside the one of all rows."""
    truth, scores = three_classes(400)
    some = truth != 1
    resamples = Resamples.draw(400, 50)
    assert "auc" not in measure(truth[some], scores[some], resamples.at(some), [0, 1, 2])
    assert "accuracy" in measure(truth[some], scores[some], resamples.at(some), [0, 1, 2])


def test_paired_differences_are_ours_minus_theirs() -> None:
    """Both figures are of the same rows, and the interval is of their difference."""
    truth, ours = noisy(2000, signal=0.4)
    _, theirs = noisy(2000, seed=9, signal=0.1)
    rows = pa.table({"__event_id": np.arange(2000)})
    mine, other = (predictions_table(rows, truth, scores, ["0", "1"]) for scores in (ours, theirs))
    found = {d.metric: d for d in paired_differences(mine, other, against="prod", model_version="v1")}
    assert found["auc"].rows == 2000
    assert found["auc"].ours == pytest.approx(reference.roc_auc_score(truth, ours[:, 1]))
    assert found["auc"].theirs == pytest.approx(reference.roc_auc_score(truth, theirs[:, 1]))
    assert found["auc"].difference == pytest.approx(found["auc"].ours - found["auc"].theirs)
    assert found["auc"].low > 0
    assert found["log_loss"].high < 0
    assert (found["auc"].against, found["auc"].model_version) == ("prod", "v1")


def test_a_model_does_not_differ_from_itself() -> None:
    """Equal predictions give a difference and an interval of exactly zero."""
    truth, scores = noisy(500)
    table = predictions_table(pa.table({"__event_id": np.arange(500)}), truth, scores, ["0", "1"])
    for difference in paired_differences(table, table, against="prod", model_version="v1"):
        assert (difference.difference, difference.low, difference.high) == (0.0, 0.0, 0.0)


def test_multiclass_predictions_are_compared_by_class_name() -> None:
    """Class columns are matched by name."""
    truth, scores = three_classes(400)
    table = predictions_table(pa.table({"__event_id": np.arange(400)}), truth, scores, ["a", "b", "c"])
    found = {d.metric: d for d in paired_differences(table, table, against="prod", model_version="v1")}
    assert found["accuracy"].theirs == pytest.approx((scores.argmax(axis=1) == truth).mean())


def test_a_label_that_is_no_class_is_named() -> None:
    """Predictions of an unknown label are refused."""
    table = pa.table({"__event_id": [1], "label": ["d"], "score_a": [1.0], "score_b": [0.0]})
    with pytest.raises(InputError, match="none of the classes a, b"):
        prediction_truth(table, ["a", "b"])


def test_the_roc_curve_is_short_and_keeps_its_ends() -> None:
    """At most fifty points, rising from (0, 0) to (1, 1)."""
    truth, scores = noisy(5000)
    curve = roc(truth, scores)
    assert len(curve) <= 50
    assert (curve[0].x, curve[0].y, curve[-1].x, curve[-1].y) == (0, 0, 1, 1)
    assert all(left.x <= right.x and left.y <= right.y for left, right in pairwise(curve))


def test_calibration_and_histogram_count_every_row() -> None:
    """Deciles hold the observed rate; twenty bins hold all rows."""
    truth, scores = noisy(1000)
    points = calibration(truth, scores)
    assert len(points) == 10
    assert np.mean([point.y for point in points]) == pytest.approx(truth.mean())
    histogram = score_histogram(scores)
    assert (len(histogram), sum(histogram)) == (20, 1000)
