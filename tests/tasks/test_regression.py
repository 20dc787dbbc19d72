"""A regression's metrics equal scikit-learn's; what it answers and shows follows from its target."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from bighead_ci.delivery.stages.predictions import predictions_table, scored_rows
from bighead_ci.documents.chart import Curve
from bighead_ci.documents.target import Target, TargetSettings
from bighead_ci.errors import InputError
from bighead_ci.tasks.measuring import measure, paired_differences
from bighead_ci.tasks.registry import METRICS, task_named
from bighead_ci.tasks.scored import Floats, Labels, Resamples, Scored

TASK = task_named("regression")
LEVELS = [0.1, 0.5, 0.9]
TARGET = Target(task="regression", outputs=["value", "q0.1", "q0.5", "q0.9"], quantiles=LEVELS, bounds=[0.0])
VALUE = st.floats(-1e6, 1e6, allow_subnormal=False)


def rows_of(truth: Labels, scores: Floats) -> Scored:
    """With quantiles where there are columns for them."""
    plain = TARGET.model_copy(update={"outputs": ["value"], "quantiles": []})
    return Scored(TARGET if scores.shape[1] > 1 else plain, truth, scores)


def noisy(rows: int = 2_000, seed: int = 0, noise: float = 1.0, around: float = 0.0) -> Scored:
    """Normal labels, a value that is off by `noise`, and the quantiles of the labels as they are."""
    truth = np.random.default_rng(1).normal(around, 2, rows)
    value = truth + np.random.default_rng(seed).normal(0, noise, rows)
    spread = np.tile(around + 2 * np.array([-1.2816, 0.0, 1.2816]), (rows, 1))
    return rows_of(truth, np.column_stack([value, spread]))


@given(st.lists(st.tuples(VALUE, VALUE, VALUE, VALUE, VALUE), min_size=2, max_size=40))
@settings(max_examples=100, deadline=None)
def test_metrics_equal_scikit_learns(rows: list[tuple[float, ...]]) -> None:
    """Every one that scikit-learn has, whatever the values; none lies outside its range."""
    table = np.array(rows)
    truth, scores = table[:, 0], table[:, 1:]
    found = measure(rows_of(truth, scores), Resamples.draw(len(truth), 5))
    assert found["mae"].value == pytest.approx(reference.mean_absolute_error(truth, scores[:, 0]))
    assert found["rmse"].value == pytest.approx(reference.root_mean_squared_error(truth, scores[:, 0]))
    losses = [reference.mean_pinball_loss(truth, scores[:, 1 + i], alpha=q) for i, q in enumerate(LEVELS)]
    assert found["pinball"].value == pytest.approx(np.mean(losses), abs=1e-9)
    for name, metric in found.items():
        assert METRICS[name].least <= metric.value <= METRICS[name].most


@pytest.mark.parametrize("around", [0.0, 1e7])
def test_the_explained_variance_is_scikit_learns_however_far_labels_are_from_zero(around: float) -> None:
    """Years and prices have a small variance around a large mean."""
    rows = noisy(around=around)
    found = measure(rows, Resamples.draw(len(rows), 100))["r2"]
    assert found.value == pytest.approx(reference.r2_score(rows.truth, rows.scores[:, 0]), rel=1e-6)
    assert found.low < found.value < found.high


def test_quantiles_that_hold_have_no_coverage_error_and_those_that_cross_are_counted() -> None:
    """Shares of labels at or below each are what they say; crossed ones are said in words."""
    rows = noisy(20_000)
    found = measure(rows, Resamples.draw(len(rows), 20))
    assert found["coverage_error"].value < 0.01
    assert (found["crossing"].value, TASK.notes(rows)) == (0.0, [])
    turned = rows.scores.copy()
    turned[:50, 1], turned[:50, 3] = rows.scores[:50, 3], rows.scores[:50, 1]
    crossed = rows_of(rows.truth, turned)
    assert measure(crossed, Resamples.draw(20_000, 20))["crossing"].value == pytest.approx(50 / 20_000)
    (note,) = TASK.notes(crossed)
    assert note.startswith("quantiles cross on 50 of 20,000 evaluation rows")


def test_labels_that_do_not_vary_define_no_explained_variance() -> None:
    """The other metrics stand, and a note says so."""
    rows = rows_of(np.full(40, 3.0), np.ones((40, 1)))
    assert set(measure(rows, Resamples.draw(40, 20))) == {"mae", "rmse"}
    assert TASK.notes(rows) == ["all evaluation rows have the label 3: r2 is not defined"]


def test_the_better_of_two_on_the_same_rows_is_told_in_every_metric_by_its_sign() -> None:
    """Less noise is less error and more explained variance, clearly."""
    ours, theirs = noisy(noise=0.5), noisy(noise=1.5, seed=3)
    found = {d.metric: d for d in paired_differences(ours, theirs, against="prod", model_version="v1")}
    for name in ("mae", "rmse", "r2"):
        low, _ = METRICS[name].gains(found[name].low, found[name].high)
        assert low > 0
    assert found["pinball"].difference == 0


def test_predictions_come_back_as_they_were_kept() -> None:
    """Label, value and quantiles, through their table."""
    rows = noisy(50)
    table = predictions_table(pa.table({"__event_id": np.arange(50)}), rows)
    assert table.column_names[2:] == ["label", "value", "q0.1", "q0.5", "q0.9"]
    found = scored_rows(table, rows.target)
    assert found.truth.tolist() == rows.truth.tolist()
    assert found.scores.tolist() == rows.scores.tolist()


def test_an_answer_is_a_value_and_its_quantiles() -> None:
    """Quantiles only where the model has them; the value is what histograms count."""
    assert TASK.answer([2.0, 0.5, 1.5, 4.0], TARGET) == {
        "value": 2.0, "quantiles": {"0.1": 0.5, "0.5": 1.5, "0.9": 4.0},
    }  # fmt: skip
    plain = TARGET.model_copy(update={"outputs": ["value"], "quantiles": []})
    assert (TASK.answer([2.0], plain), TASK.observed_row([2.0])) == ({"value": 2.0}, 2.0)
    assert set(TASK.answer_fields(TARGET)) == {"value", "quantiles"}


@given(st.lists(VALUE, min_size=1, max_size=50))
def test_every_answer_is_counted_in_bins_of_the_model_s_own_values(values: list[float]) -> None:
    """Bounds rise, and whatever is answered falls into one of the bins."""
    scores = np.array(values)[:, None]
    bounds = TASK.bounds(scores)
    assert bounds == sorted(set(bounds))
    histogram = TASK.histogram(scores, TARGET.model_copy(update={"bounds": bounds}))
    assert histogram.total == len(values)


def test_charts_show_labels_by_prediction_and_what_lies_below_each_quantile() -> None:
    """A model that is right on average lies on the diagonal of both."""
    curves = {one.name: one for one in TASK.charts(noisy(20_000)) if isinstance(one, Curve)}
    assert [point.x for point in curves["coverage"].points] == LEVELS
    assert all(abs(point.x - point.y) < 0.02 for point in curves["coverage"].points)
    assert len(curves["predictions"].points) == 10
    assert not curves["predictions"].unit


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array(["a", "b"], dtype=object), "labels are text; regression learns numbers"),
        (np.array([True, False]), "labels are bools; regression learns numbers"),
        (np.array([1.0, np.inf, np.nan]), "2 labels are no finite number"),
        (np.array([3, 3]), "the labels of the training rows are all 3: there is nothing to learn"),
    ],
)
def test_labels_that_no_regression_can_learn_are_refused(labels: Labels, message: str) -> None:
    """The file and what is wrong with them."""
    asked = TargetSettings(task="regression", label="delay", file="models/late/v1/model.yaml")
    with pytest.raises(InputError, match=f"models/late/v1/model.yaml: label.column: .*{message}"):
        TASK.target(labels, asked)
