"""What a fitted estimator learned of its inputs' values, wherever in a pipeline: thresholds and categories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

TWO = 2


def thresholds_of(estimator: Any) -> npt.NDArray[np.float64]:
    """Every different threshold of its trees, sorted: scikit-learn's, XGBoost's and LightGBM's."""
    found = [np.asarray(one, dtype=np.float64).ravel() for part in _parts(estimator) for one in _thresholds(part)]
    thresholds = np.unique(np.concatenate(found)) if found else np.empty(0)
    return thresholds[np.isfinite(thresholds)]


def holds_trees(estimator: Any) -> bool:
    """Whether scikit-learn's decision trees are part of it."""
    return any(hasattr(part, "tree_") or hasattr(part, "_predictors") for part in _parts(estimator))


def holds_neighbours(estimator: Any) -> bool:
    """Whether it looks for the nearest of the rows that it was trained on."""
    return any(hasattr(part, "n_neighbors") or hasattr(part, "radius_neighbors") for part in _parts(estimator))


def holds_support_vector_probabilities(estimator: Any) -> bool:
    """Whether libsvm makes probabilities of its decisions, by an iteration that ends when it is near enough."""
    return any(np.size(getattr(part, "probA_", ())) > 0 for part in _parts(estimator))


def holds_one_against_the_rest(estimator: Any) -> bool:
    """Whether probabilities of several classes are those of a model each, divided by their sum."""
    return any(
        len(getattr(getattr(part, "label_binarizer_", None), "classes_", ())) > TWO for part in _parts(estimator)
    )


def categories_of(estimator: Any) -> list[Any]:
    """Every category that its encoders know, those of a column together."""
    return [
        one
        for part in _parts(estimator)
        if isinstance(found := getattr(part, "categories_", None), list)
        for column in found
        for one in np.asarray(column, dtype=object).tolist()
    ]


def _thresholds(part: Any) -> Iterator[Any]:
    if hasattr(part, "tree_"):
        yield part.tree_.threshold[part.tree_.children_left >= 0]
    elif hasattr(part, "_predictors"):
        for predictor in (one for iteration in part._predictors for one in iteration):  # noqa: SLF001 - nowhere else
            yield predictor.nodes["num_threshold"][predictor.nodes["is_leaf"] == 0]
    elif type(part).__module__.startswith("lightgbm.") and hasattr(part, "booster_"):
        yield [float(text) for text in part.booster_.trees_to_dataframe()["threshold"].dropna() if _is_number(text)]
    elif type(part).__module__.startswith("xgboost.") and hasattr(part, "get_booster"):
        yield part.get_booster().trees_to_dataframe()["Split"].dropna()


def _is_number(text: Any) -> bool:
    try:
        float(text)
    except ValueError:  # a set of categories: `1||3`
        return False
    return True


def _parts(step: Any, reached: set[int] | None = None) -> Iterator[Any]:
    """An estimator and all that it is made of."""
    reached = set() if reached is None else reached
    if id(step) in reached:
        return
    reached.add(id(step))
    if isinstance(step, np.ndarray) and step.dtype == object:
        step = step.ravel().tolist()
    if isinstance(step, list | tuple | dict):
        for one in step.values() if isinstance(step, dict) else step:
            yield from _parts(one, reached)
    elif hasattr(step, "get_params") and hasattr(step, "__dict__"):
        yield step
        for value in vars(step).values():
            yield from _parts(value, reached)
