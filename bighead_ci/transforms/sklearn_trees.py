"""scikit-learn's trees, forests and boosters, from their arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from bighead_ci.errors import InputError
from bighead_ci.scorers.links import Link
from bighead_ci.transforms.forest import CategorySplit, Forest, Tree

CATEGORIES = 256
"""Of a column that HistGradientBoosting takes natively, at most."""
_LINKS: dict[str, Link] = {
    "IdentityLink": "identity",
    "LogLink": "exp",
    "LogitLink": "sigmoid",
    "HalfLogitLink": "sigmoid",
}


def forest_of(model: Any) -> Forest | None:
    """The table of a fitted model; None of one that has none here.

    Raises:
        InputError: the model is of a kind that has one, but uses something that it cannot say.
    """
    for kind, made in _MADE:
        if isinstance(model, kind):
            return made(model)
    return None


def _single(model: Any) -> Forest:
    return _averaged([model])


def _bagged(model: Any) -> Forest:
    return _averaged(model.estimators_)


def _averaged(models: Sequence[Any]) -> Forest:
    values = [model.tree_.value for model in models]
    if values[0].shape[1] != 1:
        raise InputError("trees with several labels have no table")
    leaves = [value[:, 0, :] / len(models) for value in values]
    trees = [_tree(model.tree_, leaf, 0) for model, leaf in zip(models, leaves, strict=True)]
    return Forest(trees, np.zeros(leaves[0].shape[1]), "identity", narrow=True)


def _boosted(model: Any) -> Forest:
    outputs = model.estimators_.shape[1]
    if not (isinstance(model.init_, DummyClassifier | DummyRegressor) or model.init == "zero"):
        raise InputError(f"{type(model).__name__}(init=…) has no table")
    base = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))[0]  # noqa: SLF001 - nowhere else
    trees = [
        _tree(one.tree_, one.tree_.value[:, 0, :] * model.learning_rate, output)
        for stage in model.estimators_
        for output, one in enumerate(stage)
    ]
    if isinstance(model, GradientBoostingRegressor):
        return Forest(trees, base, "identity", narrow=True)
    if model.loss != "log_loss":
        raise InputError(f"GradientBoostingClassifier(loss={model.loss!r}) has no table")
    return Forest(trees, base, "sigmoid" if outputs == 1 else "softmax", narrow=True)


def _tree(tree: Any, leaf: npt.NDArray[np.float64], output: int) -> Tree:
    nodes = tree.__getstate__()["nodes"]
    missing = nodes["missing_go_to_left"].astype(np.bool_)
    return Tree(
        left=nodes["left_child"].astype(np.int64),
        right=nodes["right_child"].astype(np.int64),
        feature=np.maximum(nodes["feature"], 0).astype(np.int64),
        threshold=nodes["threshold"].astype(np.float64),
        missing_left=missing,
        leaf=np.asarray(leaf, dtype=np.float64),
        cover=nodes["weighted_n_node_samples"].astype(np.float64),
        output=output,
    )


def _histogram(model: Any) -> Forest:
    stages = model._predictors  # noqa: SLF001 - scikit-learn publishes no other way to the trees
    bitsets, places = model._bin_mapper.make_known_categories_bitsets()  # noqa: SLF001 - as above
    known = {int(at): _members(bitsets[places[at]]) for at in np.flatnonzero(model._bin_mapper.is_categorical_)}  # noqa: SLF001 - as above
    trees = [_binned(predictor, output, known) for stage in stages for output, predictor in enumerate(stage)]
    base = np.asarray(model._baseline_prediction, dtype=np.float64).ravel()  # noqa: SLF001 - as above
    if isinstance(model, HistGradientBoostingClassifier):
        return Forest(trees, base, "sigmoid" if len(base) == 1 else "softmax", narrow=False)
    link = type(model._loss.link).__name__  # noqa: SLF001 - as above
    if link not in _LINKS:
        raise InputError(f"{type(model).__name__} with {link} has no table")
    return Forest(trees, base, _LINKS[link], narrow=False)


def _binned(predictor: Any, output: int, known: Mapping[int, set[int]]) -> Tree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(np.bool_)
    missing = nodes["missing_go_to_left"].astype(np.bool_)
    splits = [
        _split(int(node), predictor, nodes[node], known[int(nodes[node]["feature_idx"])])
        for node in np.flatnonzero(nodes["is_categorical"].astype(np.bool_) & ~leaf)
    ]
    return Tree(
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        feature=np.where(leaf, 0, nodes["feature_idx"].astype(np.int64)),
        threshold=nodes["num_threshold"].astype(np.float64),
        missing_left=missing,
        leaf=nodes["value"].astype(np.float64)[:, None],
        cover=nodes["count"].astype(np.float64),
        output=output,
        splits=splits,
    )


def _split(node: int, predictor: Any, about: Any, known: set[int]) -> CategorySplit:
    """What a category that training did not have is taken for: a missing value."""
    goes_left = _members(predictor.raw_left_cat_bitsets[about["bitset_idx"]])
    missing_left = bool(about["missing_go_to_left"])
    left = {one for one in range(CATEGORIES) if (one in goes_left if one in known else missing_left)}
    return CategorySplit(node, frozenset(left), CATEGORIES, other_left=missing_left, negative_left=missing_left)


def _members(bits: npt.NDArray[np.uint32]) -> set[int]:
    return {32 * word + bit for word, value in enumerate(bits.tolist()) for bit in range(32) if value >> bit & 1}


_MADE: Sequence[tuple[Any, Callable[[Any], Forest]]] = (
    ((DecisionTreeClassifier, DecisionTreeRegressor), _single),
    ((RandomForestClassifier, RandomForestRegressor, ExtraTreesClassifier, ExtraTreesRegressor), _bagged),
    ((GradientBoostingClassifier, GradientBoostingRegressor), _boosted),
    ((HistGradientBoostingClassifier, HistGradientBoostingRegressor), _histogram),
)
