"""Labels as classes: whatever rows a stage sees, a label is of the class that its value has."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from bighead_ci.documents.target import TargetSettings
from bighead_ci.errors import InputError
from bighead_ci.tasks.registry import task_named
from bighead_ci.tasks.scored import Labels

SETTINGS = TargetSettings(task="multiclass", label="late")


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
