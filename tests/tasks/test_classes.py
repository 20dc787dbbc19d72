"""Metrics equal scikit-learn's, and their intervals behave."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from bighead_ci.delivery.stages.predictions import predictions_table, scored_rows
from bighead_ci.documents.record import Metric
from bighead_ci.documents.target import Target
from bighead_ci.errors import InputError
from bighead_ci.tasks import binary as binary_task
from bighead_ci.tasks.classes import CLIP, confusion
from bighead_ci.tasks.measuring import measure, paired_differences
from bighead_ci.tasks.registry import METRICS, TASKS, task_named
from bighead_ci.tasks.scored import Floats, Integers, Resamples, Scored

# Few distinct scores on purpose: ties are where areas under curves go wrong.
SCORE = st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.625, 1.0])


@st.composite
def binary(draw: st.DrawFn) -> tuple[Integers, Floats]:
    rows = draw(st.lists(st.tuples(st.integers(0, 1), SCORE), min_size=2, max_size=60))
    truth = np.array([label for label, _ in rows], dtype=np.int64)
    truth[:2] = [0, 1]
    positive = np.array([score for _, score in rows])
    return truth, np.column_stack([1 - positive, positive])


def rows_of(truth: Integers, scores: Floats, names: list[str] | None = None) -> Scored:
    """As the task with so many classes has them."""
    outputs = names or [str(index) for index in range(scores.shape[1])]
    return Scored(Target(task="binary" if len(outputs) == 2 else "multiclass", outputs=outputs), truth, scores)


def measured_of(truth: Integers, scores: Floats, samples: int = 50) -> dict[str, Metric]:
    return measure(rows_of(truth, scores), Resamples.draw(len(truth), samples))


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


@pytest.mark.parametrize("name", ["binary", "multiclass"])
def test_every_metric_of_a_task_is_measured(name: str) -> None:
    """In the order of its definitions, and the one that a new model is judged by is one of them."""
    task, (truth, scores) = task_named(name), noisy()
    rows = Scored(Target(task=name, outputs=["0", "1"]), truth, scores)
    names = [metric.name for metric in task.metrics]
    assert list(measure(rows, Resamples.draw(len(truth), 2))) == names
    assert task.primary in names


@given(binary() | st.integers(0, 20).map(lambda seed: three_classes(seed=seed)))
@settings(max_examples=100, deadline=None)
def test_each_metric_is_good_the_way_the_table_says(rows: tuple[Integers, Floats]) -> None:
    """Nothing beats scores that equal the truth, and every value lies in the metric's range."""
    truth, scores = rows
    perfect, found = measured_of(truth, np.eye(scores.shape[1])[truth], 1), measured_of(truth, scores, 1)
    assert perfect.keys() == found.keys()
    for name, metric in found.items():
        assert METRICS[name].least <= metric.value <= METRICS[name].most
        assert METRICS[name].gain(perfect[name].value - metric.value) >= 0


@given(binary())
@settings(max_examples=100, deadline=None)
def test_binary_metrics_equal_scikit_learns(rows: tuple[Integers, Floats]) -> None:
    """Every binary metric is scikit-learn's, ties included."""
    truth, scores = rows
    measured = measured_of(truth, scores)
    positive = scores[:, 1]
    assert measured["auc"].value == pytest.approx(reference.roc_auc_score(truth, positive))
    assert measured["log_loss"].value == pytest.approx(reference.log_loss(truth, np.clip(positive, CLIP, 1 - CLIP)))
    assert measured["brier"].value == pytest.approx(reference.brier_score_loss(truth, positive))
    assert measured["accuracy"].value == pytest.approx(reference.accuracy_score(truth, positive > 0.5))


def test_multiclass_metrics_equal_scikit_learns() -> None:
    """With three classes the area is the mean of one against the rest."""
    truth, scores = three_classes()
    measured = measured_of(truth, scores)
    assert measured["auc"].value == pytest.approx(reference.roc_auc_score(truth, scores, multi_class="ovr"))
    assert measured["log_loss"].value == pytest.approx(reference.log_loss(truth, scores))
    assert measured["accuracy"].value == pytest.approx(reference.accuracy_score(truth, scores.argmax(axis=1)))
    assert confusion(rows_of(truth, scores)) == reference.confusion_matrix(truth, scores.argmax(axis=1)).tolist()


def test_a_resampled_area_is_the_area_of_the_drawn_rows() -> None:
    """Weighting rows by how often they were drawn gives what drawing them gives."""
    truth, scores = noisy(200)
    resamples = Resamples.draw(200, 1, seed=5)
    drawn = np.repeat(np.arange(200), resamples.counts[0])
    measured = measure(rows_of(truth, scores), resamples)
    expected = reference.roc_auc_score(truth[drawn], scores[drawn, 1])
    assert measured["auc"].low == pytest.approx(expected)
    assert measured["accuracy"].low == pytest.approx(((scores[drawn, 1] > 0.5) == truth[drawn]).mean())


def test_the_interval_holds_the_value_and_narrows_with_more_rows() -> None:
    """A bootstrap interval surrounds the point and shrinks as rows grow."""
    widths = []
    for rows in (500, 8000):
        truth, scores = noisy(rows)
        auc = measured_of(truth, scores, 200)["auc"]
        assert auc.low < auc.value < auc.high
        widths.append(auc.high - auc.low)
    assert widths[1] < widths[0] / 2


def test_the_same_seed_gives_the_same_interval() -> None:
    """Intervals are reproducible."""
    truth, scores = noisy(400)
    assert measured_of(truth, scores, 60) == measured_of(truth, scores, 60)


def test_a_metric_that_the_rows_do_not_define_is_left_out() -> None:
    """Rows of one class have no area under a curve, but the other metrics stand."""
    truth, scores = np.ones(5, dtype=np.int64), np.tile([0.2, 0.8], (5, 1))
    measured = measured_of(truth, scores)
    assert set(measured) == {"log_loss", "brier", "accuracy"}
    assert binary_task.roc(rows_of(truth, scores)) == []


def test_an_absent_class_is_left_out_of_the_mean() -> None:
    """One of three has no row: each of the other two is held against the rest; bootstrap and comparison do the same."""
    truth, scores = three_classes(400)
    kept = truth != 1
    truth, scores = truth[kept], scores[kept]
    expected = np.mean([reference.roc_auc_score(truth == one, scores[:, one]) for one in (0, 2)])
    measured = measured_of(truth, scores)
    assert measured["auc"].value == pytest.approx(expected)
    assert measured["auc"].low < expected < measured["auc"].high
    rows = rows_of(truth, scores)
    found = {d.metric: d for d in paired_differences(rows, rows, against="prod", model_version="v1")}
    assert found["auc"].ours == pytest.approx(expected)
    assert "auc" not in measured_of(truth[truth == 2], scores[truth == 2])


def test_a_mean_over_given_classes_needs_all_of_them() -> None:
    """A slice that lacks a class has no auc that could stand beside the one of all rows."""
    truth, scores = three_classes(400)
    whole, some = rows_of(truth, scores), np.flatnonzero(truth != 1)
    resamples = Resamples.draw(400, 50)
    found = measure(whole.at(some), resamples.at(some), within=whole)
    assert "auc" not in found
    assert "accuracy" in found


def test_paired_differences_are_ours_minus_theirs() -> None:
    """Both figures are of the same rows, and the interval is of their difference."""
    truth, ours = noisy(2000, signal=0.4)
    _, theirs = noisy(2000, seed=9, signal=0.1)
    mine, other = rows_of(truth, ours), rows_of(truth, theirs)
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
    rows = rows_of(truth, scores)
    for difference in paired_differences(rows, rows, against="prod", model_version="v1"):
        assert (difference.difference, difference.low, difference.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("names", [["no", "yes"], ["a", "b", "c"]])
def test_predictions_come_back_as_they_were_kept(names: list[str]) -> None:
    """Through their table, class columns by name."""
    truth, scores = noisy(400) if len(names) == 2 else three_classes(400)
    rows = rows_of(truth, scores, names)
    found = scored_rows(predictions_table(pa.table({"__event_id": np.arange(400)}), rows), rows.target)
    assert found.truth.tolist() == truth.tolist()
    np.testing.assert_allclose(found.scores, scores)


def test_a_label_that_is_no_class_is_named() -> None:
    """Predictions of an unknown label are refused."""
    table = pa.table({"__event_id": [1], "label": ["d"], "score_a": [1.0], "score_b": [0.0]})
    with pytest.raises(InputError, match="predictions have labels that no training row has: d"):
        scored_rows(table, Target(task="multiclass", outputs=["a", "b"]))


def test_the_roc_curve_is_short_and_keeps_its_ends() -> None:
    """At most fifty points, rising from (0, 0) to (1, 1)."""
    truth, scores = noisy(5000)
    curve = binary_task.roc(rows_of(truth, scores))
    assert len(curve) <= 50
    assert (curve[0].x, curve[0].y, curve[-1].x, curve[-1].y) == (0, 0, 1, 1)
    assert all(left.x <= right.x and left.y <= right.y for left, right in pairwise(curve))


def test_calibration_and_histogram_count_every_row() -> None:
    """Deciles hold the observed rate; twenty bins hold all rows."""
    truth, scores = noisy(1000)
    points = binary_task.calibration(rows_of(truth, scores))
    assert len(points) == 10
    assert np.mean([point.y for point in points]) == pytest.approx(truth.mean())
    rows = rows_of(truth, scores)
    histogram = TASKS["binary"].histogram(scores, rows.target)
    assert (len(histogram.bounds), histogram.total) == (20, 1000)


def test_the_classes_that_no_row_is_of_are_named_with_what_it_means() -> None:
    """Of three one, of two one; nothing where all occur, or where there are no rows."""

    def notes(names: list[str], *truth: int) -> list[str]:
        rows = rows_of(np.array(truth, dtype=np.int64), np.full((len(truth), len(names)), 1 / len(names)), names)
        return task_named(rows.target.task).notes(rows)

    (said,) = notes(["high", "low", "middle"], 0, 2, 2)
    assert said.startswith("no evaluation row is of class low: auc is the mean over the other 2, and no metric says")
    (said,) = notes(["0", "1"], 0, 0)
    assert said.startswith("no evaluation row is of class 1: auc is not defined")
    assert notes(["0", "1"], 0, 1) == notes(["0", "1"]) == []


def test_models_that_tell_other_things_apart_are_not_compared() -> None:
    """Other classes, the same classes with the other one positive, another task: each says which."""

    def reason(ours: tuple[str, list[str]], theirs: tuple[str, list[str]]) -> str:
        mine, other = (Target(task=task, outputs=outputs) for task, outputs in (ours, theirs))
        return task_named(ours[0]).why_incomparable(mine, other)

    binary, turned = ("binary", ["never", "monthly"]), ("binary", ["monthly", "never"])
    assert reason(binary, binary) == ""
    words = "tells never (positive) from monthly, this run monthly (positive) from never"
    assert reason(binary, turned) == words
    wide = ("multiclass", ["a", "b", "c"])
    assert reason(wide, ("multiclass", ["a", "b"])) == "answers a, b, this run a, b, c"
    assert reason(wide, binary) == "answers another question: it is binary, this run multiclass"
