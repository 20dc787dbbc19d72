"""Which inputs a model's scores rest on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bighead_ci.transforms.importance import (
    LEAST_ROWS,
    MOST_CELLS,
    MOST_ROWS,
    explained_sample,
    permutation_importance,
)

Columns = Mapping[str, npt.NDArray[Any]]


def columns(rows: int) -> dict[str, npt.NDArray[Any]]:
    random = np.random.default_rng(1)
    return {
        "used": random.normal(size=rows),
        "less": random.normal(size=rows),
        "unused": random.normal(size=rows),
        "text": random.choice(np.array(["a", "b"], dtype=object), rows),
        "pixels": random.normal(size=(rows, 3)),
    }


def test_an_input_weighs_what_scores_owe_to_it() -> None:
    """Three times the coefficient, three times the share; what is not read weighs nothing."""
    found = permutation_importance(lambda given: (3 * given["used"] + given["less"]).reshape(-1, 1), columns(5000))
    assert found["used"] == pytest.approx(0.75, abs=0.03)
    assert found["less"] == pytest.approx(0.25, abs=0.03)
    assert (found["unused"], found["text"], found["pixels"]) == (0.0, 0.0, 0.0)
    assert sum(found.values()) == pytest.approx(1.0)


def test_texts_and_lists_are_weighed_as_one_input() -> None:
    """A list moves with its row, all its elements together."""
    found = permutation_importance(
        lambda given: np.stack([given["text"] == "a", given["pixels"][:, 2] > 0], axis=1).astype(np.float64),
        columns(400),
    )
    assert found["text"] > 0.3
    assert found["pixels"] > 0.3
    assert found["used"] == 0.0


def test_it_is_measured_on_few_rows_and_the_same_each_time() -> None:
    """A record of the same inputs is the same record."""
    seen: list[int] = []

    def score(given: Columns) -> npt.NDArray[np.float64]:
        seen.append(len(given["used"]))
        return np.asarray(given["used"], dtype=np.float64).reshape(-1, 1)

    assert permutation_importance(score, columns(9000)) == permutation_importance(score, columns(9000))
    assert {*seen} == {MOST_ROWS}


@pytest.mark.parametrize("rows", [1, 50])
def test_a_model_that_answers_one_thing_rests_on_nothing(rows: int) -> None:
    """No share is made up where no score moves."""
    found = permutation_importance(lambda given: np.ones((len(given["used"]), 1)), columns(rows))
    assert {*found.values()} == {0.0}


def test_fewer_rows_are_explained_where_one_is_much_work() -> None:
    """But enough for a mean; the same each time."""
    counts = [len(explained_sample(columns(2000), cells)["used"]) for cells in (10, MOST_CELLS // 100, MOST_CELLS)]
    assert counts == [MOST_ROWS, 100, LEAST_ROWS]
    first, second = (explained_sample(columns(2000), 10)["used"] for _ in range(2))
    assert np.array_equal(first, second)
