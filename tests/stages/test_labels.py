"""Labels as classes: whatever rows a stage sees, a label is of the class that its value has."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from bighead_ci.delivery.stages.labels import class_indices, class_names


def column(values: list[Any]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([False, True], ["0", "1"]),
        ([1.0, -0.0, 0.0], ["0", "1"]),
        ([2.0, 0.5, 1.0], ["0.5", "1", "2"]),
        ([10.0, 9.0, 2.0], ["2", "9", "10"]),
        ([1e30, 2.0, 1e-7], ["1e-7", "2", "1e+30"]),
        ([2**53 + 1, 3, 2**53], ["3", "9007199254740992", "9007199254740993"]),
        (["b", "", "a", "B"], ["", "B", "a", "b"]),
    ],
)
def test_each_label_is_of_its_class_alone_and_among_all(labels: list[Any], names: list[str]) -> None:
    """Classes are in the order of their values; rows that lack some of them, as an evaluation may, are told alike."""
    assert class_names(column(labels), "multiclass") == names
    together = class_indices(column(labels), names, "rows").tolist()
    assert together == [class_indices(column([label]), names, "rows")[0] for label in labels]
    assert sorted(set(together)) == list(range(len(names)))
