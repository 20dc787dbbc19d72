"""Labels as classes: whatever rows a stage sees, a label is of the class that its value has."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from bighead_ci.documents.target import TargetSettings
from bighead_ci.errors import InputError
from bighead_ci.tasks.registry import task_named
from bighead_ci.tasks.scored import Labels

SETTINGS = TargetSettings(task="multiclass", label="late", file="models/late/v1/model.yaml")


def column(values: list[Any]) -> Labels:
    """As a training set has them."""
    found: Labels = pa.chunked_array([pa.array(values)]).to_numpy()
    return found


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([False, True], ["0", "1"]),
        ([1.0, -0.0, 0.0], ["0", "1"]),
        ([10.0, 9.0, 2.0], ["2", "9", "10"]),
        ([2**53 + 1, 3, 2**53], ["3", "9007199254740992", "9007199254740993"]),
        (["b", "", "a", "B"], ["", "B", "a", "b"]),
    ],
)
def test_each_label_is_of_its_class_alone_and_among_all(labels: list[Any], names: list[str]) -> None:
    """Classes are in the order of their values; rows that lack some of them, as an evaluation may, are told alike."""
    task = task_named("multiclass")
    target = task.target(column(labels), SETTINGS)
    assert target.outputs == names
    together = task.truth(column(labels), target, "rows").tolist()
    assert together == [task.truth(column([label]), target, "rows")[0] for label in labels]
    assert sorted(set(together)) == list(range(len(names)))


@pytest.mark.parametrize("value", [0.5, 1e30, float("inf")])
def test_a_number_that_is_not_whole_is_no_class(value: float) -> None:
    """It says how many, which, and what would learn them."""
    with pytest.raises(InputError, match=r"1 of 3 labels are no class.*task: regression learns numbers"):
        task_named("multiclass").target(column([1.0, value, 2.0]), SETTINGS)


@pytest.mark.parametrize(
    ("labels", "positive", "outputs"),
    [
        ([True, False, True], None, ["0", "1"]),
        ([1, 0, 1], None, ["0", "1"]),
        ([1.0, 0.0], None, ["0", "1"]),
        ([1, 0], 0, ["1", "0"]),
        ([True, False], False, ["1", "0"]),
        (["never", "monthly"], "never", ["monthly", "never"]),
        (["never", "monthly"], "monthly", ["never", "monthly"]),
        ([3, 7], 3, ["7", "3"]),
    ],
)
def test_the_positive_class_is_the_one_that_its_author_names(
    labels: list[Any], positive: bool | int | str | None, outputs: list[str]
) -> None:
    """It comes last; without a word it is true, or 1 of 0 and 1. The estimator learns it as 1."""
    task = task_named("binary")
    settings = SETTINGS.model_copy(update={"task": "binary", "positive": positive})
    target = task.target(column(labels), settings)
    assert target.outputs == outputs
    texts = [str(int(label)) if not isinstance(label, str) else label for label in labels]
    assert task.truth(column(labels), target, "rows").tolist() == [int(text == outputs[1]) for text in texts]


@pytest.mark.parametrize(
    ("labels", "positive", "message"),
    [
        (["never", "monthly"], None, r"label\.positive: is required.*allowed: monthly or never"),
        ([3, 7], None, r"label\.positive: is required.*allowed: 3 or 7"),
        (["never", "monthly"], "always", r"label\.positive: is neither.*got always; allowed: monthly or never"),
        ([0, 1], "true", r"label\.positive: is neither.*got true; allowed: 0 or 1"),
        (["never"], "never", r"label\.column: the labels of the training rows have 1 classes \(never\)"),
    ],
)
def test_a_positive_class_that_nobody_can_know_is_asked_for(
    labels: list[Any], positive: bool | int | str | None, message: str
) -> None:
    """Both classes are named, and the file."""
    settings = SETTINGS.model_copy(update={"task": "binary", "positive": positive})
    with pytest.raises(InputError, match=f"models/late/v1/model.yaml: {message}"):
        task_named("binary").target(column(labels), settings)
