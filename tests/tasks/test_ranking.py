"""A ranking's metrics equal scikit-learn's over its groups; groups that have no order count nowhere."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from bighead_ci.delivery.stages.predictions import predictions_table, scored_rows
from bighead_ci.documents.target import Target, TargetSettings
from bighead_ci.errors import InputError
from bighead_ci.tasks.measuring import measure, paired_differences
from bighead_ci.tasks.registry import task_named
from bighead_ci.tasks.scored import Labels, Scored

TASK = task_named("ranking")
TARGET = Target(task="ranking", outputs=["score"], bounds=[0.0])
ROW = st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.25, 0.5, 1.0]))


def rows_of(groups: list[list[tuple[int, float]]], seed: int = 0) -> Scored:
    """Grades and scores by group, their rows in any order."""
    names = np.array([f"g{index}" for index, group in enumerate(groups) for _ in group], dtype=object)
    table = np.array([row for group in groups for row in group], dtype=np.float64).reshape(-1, 2)
    order = np.random.default_rng(seed).permutation(len(names))
    return Scored(TARGET, table[order, 0], table[order, 1:], names[order])


def noisy(count: int = 200, noise: float = 1.0, seed: int = 0) -> Scored:
    """Groups of ten rows, whose scores are their grades and noise."""
    truth = np.random.default_rng(1).integers(0, 4, count * 10).astype(np.float64)
    scores = truth + np.random.default_rng(seed).normal(0, noise, len(truth))
    return Scored(TARGET, truth, scores[:, None], np.repeat(np.arange(count), 10).astype(str).astype(object))


@given(st.lists(st.lists(ROW, min_size=1, max_size=12), min_size=1, max_size=6), st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_ndcg_equals_scikit_learns_over_groups_with_an_order(groups: list[list[tuple[int, float]]], seed: int) -> None:
    """Whatever ties there are, at each cut; the rows may come in any order."""
    rows = rows_of(groups, seed)
    ordered = [group for group in groups if len({grade for grade, _ in group}) > 1]
    found = measure(rows, TASK.resamples(rows, 5))
    if not ordered:
        assert found == {}
        return
    for name, cut in (("ndcg", None), ("ndcg_5", 5), ("ndcg_10", 10)):
        wanted = [reference.ndcg_score([[g for g, _ in one]], [[s for _, s in one]], k=cut) for one in ordered]
        assert found[name].value == pytest.approx(np.mean(wanted))


def test_a_reciprocal_rank_is_of_the_first_row_that_is_worth_anything_and_ties_earn_nothing() -> None:
    """Second of three is a half; where all score the same, the last place counts."""
    second = rows_of([[(0, 3.0), (2, 2.0), (0, 1.0)]])
    tied = rows_of([[(0, 1.0), (2, 1.0), (0, 1.0)]])
    assert measure(second, TASK.resamples(second, 5))["mrr"].value == pytest.approx(1 / 2)
    assert measure(tied, TASK.resamples(tied, 5))["mrr"].value == pytest.approx(1 / 3)


def test_groups_are_drawn_whole() -> None:
    """Every row of a group is in a bootstrap sample as often as the others: it says nothing without them."""
    rows = noisy(40)
    assert rows.groups is not None
    counts = TASK.resamples(rows, 20).counts.reshape(20, 40, 10)
    assert (counts == counts[:, :, :1]).all()
    assert set(counts[:, :, 0].sum(axis=1).tolist()) == {40}
    found = measure(rows, TASK.resamples(rows, 200))["ndcg"]
    assert found.low < found.value < found.high


def test_the_better_order_of_the_same_groups_is_told() -> None:
    """Paired over groups: less noise is clearly better, the same scores differ by nothing."""
    ours, theirs = noisy(noise=0.3), noisy(noise=2.0, seed=5)
    found = {d.metric: d for d in paired_differences(ours, theirs, against="prod", model_version="v1")}
    assert found["ndcg"].low > 0
    same = paired_differences(ours, ours, against="prod", model_version="v1")
    assert {(d.low, d.high) for d in same} == {(0.0, 0.0)}


def test_groups_without_an_order_are_counted_and_said() -> None:
    """Of one row, or of one grade alone."""
    rows = rows_of([[(1, 0.5)], [(2, 0.1)], [(1, 0.0), (1, 1.0)], [(0, 0.0), (1, 1.0)]])
    single, alike = TASK.notes(rows)
    assert single.startswith("2 of 4 groups are of one row")
    assert alike.startswith("1 of 4 groups have rows of one grade alone")
    nothing = rows_of([[(1, 0.5)]])
    assert measure(nothing, TASK.resamples(nothing, 5)) == {}
    assert "no group of the evaluation rows has two rows of different grades" in TASK.why_undefined(nothing)


def test_candidates_are_answered_best_first() -> None:
    """Each by its place in the request; of equals the one that came first."""
    scores = np.array([[0.2], [0.9], [0.2]])
    answer = TASK.answer_many(scores, TARGET)
    assert [(one["rank"], one["index"]) for one in answer] == [(1, 1), (2, 0), (3, 2)]
    assert [one["score"] for one in answer] == [0.9, 0.2, 0.2]
    assert task_named("binary").answer_many(np.array([[0.4, 0.6]]), TARGET) == [{"score": 0.6}]


def test_predictions_come_back_with_their_groups() -> None:
    """Grade, score and group, through their table."""
    rows = noisy(3)
    assert rows.groups is not None
    found = scored_rows(predictions_table(pa.table({"__event_id": np.arange(30)}), rows), TARGET)
    assert found.groups is not None
    assert found.groups.tolist() == rows.groups.tolist()
    assert (found.truth.tolist(), found.scores.tolist()) == (rows.truth.tolist(), rows.scores.tolist())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array(["good", "bad"], dtype=object), "labels are text; ranking needs grades"),
        (np.array([1.0, -2.0, 0.0]), "1 labels are no grades: -2; allowed: numbers of 0 or more"),
        (np.array([1, 1]), "the labels of the training rows are all 1: no row is better than another"),
    ],
)
def test_labels_that_are_no_grades_are_refused(labels: Labels, message: str) -> None:
    """The file and what is wrong with them."""
    asked = TargetSettings(task="ranking", label="clicks", file="models/late/v1/model.yaml", group="session")
    with pytest.raises(InputError, match=f"models/late/v1/model.yaml: label.column: .*{message}"):
        TASK.target(labels, asked)
