"""XGBoost's and LightGBM's trees, from the JSON that they write. Neither is imported: the fitted model brings it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bighead_ci.errors import InputError
from bighead_ci.scorers.links import Link
from bighead_ci.scorers.trees import ZERO
from bighead_ci.transforms.forest import CategorySplit, Forest, Tree

_XGBOOST: Mapping[str, Link] = {
    "binary:logistic": "sigmoid",
    "multi:softprob": "softmax",
    "multi:softmax": "softmax",
    "reg:squarederror": "identity",
    "reg:absoluteerror": "identity",
    "reg:pseudohubererror": "identity",
    "reg:quantileerror": "identity",
    "count:poisson": "exp",
    "reg:gamma": "exp",
    "reg:tweedie": "exp",
    "rank:ndcg": "identity",
    "rank:pairwise": "identity",
}
_LIGHTGBM: Mapping[str, Link] = {
    "binary": "sigmoid",
    "multiclass": "softmax",
    "regression": "identity",
    "regression_l1": "identity",
    "huber": "identity",
    "fair": "identity",
    "quantile": "identity",
    "mape": "identity",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
    "lambdarank": "identity",
}

_WRITTEN_INFINITY = 1e300
"""What LightGBM writes for an infinite threshold."""


def xgboost_forest(model: Any) -> Forest:
    """The table of a fitted estimator of XGBoost's scikit-learn interface.

    Raises:
        InputError: it uses something that the table cannot say.
    """
    missing = model.get_params().get("missing", math.nan)
    if missing is not None and not math.isnan(missing):
        raise InputError(f"{type(model).__name__}(missing={missing!r}) has no table")
    booster = model.get_booster()
    if (best := booster.attr("best_iteration")) is not None:
        booster = booster[: int(best) + 1]
    learner = json.loads(booster.save_raw(raw_format="json"))["learner"]
    gradient, objective = learner["gradient_booster"], learner["objective"]["name"]
    if gradient["name"] == "gblinear" or objective not in _XGBOOST:
        raise InputError(f"{gradient['name']} with {objective} has no table")
    inner, drops = (gradient["gbtree"], gradient["weight_drop"]) if gradient["name"] == "dart" else (gradient, None)
    trees = inner["model"]["trees"]
    weights = [1.0] * len(trees) if drops is None else drops
    link = _XGBOOST[objective]
    parameters = learner["learner_model_param"]
    raw = max(1, int(parameters["num_class"]), int(parameters.get("num_target", 1)))
    return Forest(
        [_xgboost_tree(*one) for one in zip(trees, inner["model"]["tree_info"], weights, strict=True)],
        _margin(parameters["base_score"], raw, link),
        link,
        narrow=True,
    )


def _margin(written: str, raw: int, link: Link) -> npt.NDArray[np.float64]:
    """The base score before the link: XGBoost writes it after, in float32, as one number or a list."""
    read = json.loads(written)
    score = np.broadcast_to(np.atleast_1d(np.asarray(read, dtype=np.float32)).astype(np.float64), (raw,)).copy()
    if link == "sigmoid":
        return np.log(score / (1.0 - score))
    return np.log(score) if link == "exp" else score


def _xgboost_tree(tree: Mapping[str, Any], output: int, weight: float) -> Tree:
    if int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
        raise InputError("trees with vectors in their leaves have no table")
    left = np.array(tree["left_children"], dtype=np.int64)
    conditions = np.array(tree["split_conditions"], dtype=np.float32)
    # XGBoost asks `x < condition` of float32: `x <= the float32 before it`.
    below = np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64)
    return Tree(
        left=left,
        right=np.array(tree["right_children"], dtype=np.int64),
        feature=np.where(left >= 0, np.array(tree["split_indices"], dtype=np.int64), 0),
        threshold=below,
        missing_left=np.array(tree["default_left"], dtype=np.bool_),
        leaf=conditions.astype(np.float64)[:, None] * weight,
        cover=np.array(tree["sum_hessian"], dtype=np.float64),
        output=output,
        splits=list(_xgboost_splits(tree)),
    )


def _xgboost_splits(tree: Mapping[str, Any]) -> Iterator[CategorySplit]:
    """Its categories are those that go right; what is none goes left."""
    values = tree.get("categories", [])
    for node, start, size in zip(
        tree.get("categories_nodes", []),
        tree.get("categories_segments", []),
        tree.get("categories_sizes", []),
        strict=True,
    ):
        right = {int(one) for one in values[start : start + size]}
        top = max(right, default=-1) + 1
        yield CategorySplit(node, frozenset(set(range(top)) - right), top, other_left=True, negative_left=True)


def lightgbm_forest(model: Any) -> Forest:
    """The table of a fitted estimator of LightGBM's scikit-learn interface.

    Raises:
        InputError: it uses something that the table cannot say.
    """
    booster = model.booster_
    best = booster.best_iteration
    dumped = booster.dump_model(num_iteration=best if best > 0 else None)
    objective, *settings = dumped["objective"].split()
    if objective not in _LIGHTGBM or "sqrt" in settings or dumped.get("average_output"):
        raise InputError(f"LightGBM with {dumped['objective']!r} has no table")
    if any(one.startswith("sigmoid:") and float(one.removeprefix("sigmoid:")) != 1 for one in settings):
        raise InputError(f"LightGBM with {dumped['objective']!r} has no table")
    raw = dumped["num_tree_per_iteration"]
    nodes = [_lightgbm_nodes(tree["tree_structure"]) for tree in dumped["tree_info"]]
    zeros = _zero_is_missing([node for tree in nodes for node in tree])
    trees = [_lightgbm_tree(tree, at % raw) for at, tree in enumerate(nodes)]
    return Forest(trees, np.zeros(raw), _LIGHTGBM[objective], narrow=False, zero_is_missing=zeros)


def _lightgbm_nodes(root: dict[str, Any]) -> list[dict[str, Any]]:
    """Its nodes, the root first; each knows the places of its children."""
    nodes = [root]
    for node in nodes:
        for side in ("left_child", "right_child"):
            if side in node:
                nodes.append(node[side])
                node[side] = len(nodes) - 1
    return nodes


def _zero_is_missing(nodes: list[dict[str, Any]]) -> list[int]:
    kinds: dict[int, set[str]] = {}
    for node in nodes:
        if node.get("decision_type") == "<=":
            kinds.setdefault(node["split_feature"], set()).add(node["missing_type"])
    mixed = sorted(feature for feature, held in kinds.items() if "Zero" in held and len(held) > 1)
    if mixed:
        raise InputError(f"LightGBM takes 0 for missing in some splits of feature {mixed[0]} only")
    return sorted(feature for feature, held in kinds.items() if held == {"Zero"})


def _lightgbm_tree(nodes: list[dict[str, Any]], output: int) -> Tree:
    if any("leaf_coeff" in node for node in nodes):
        raise InputError("LightGBM(linear_tree=True) has no table")
    numeric = [node.get("decision_type") == "<=" for node in nodes]
    return Tree(
        left=np.array([node.get("left_child", -1) for node in nodes], dtype=np.int64),
        right=np.array([node.get("right_child", -1) for node in nodes], dtype=np.int64),
        feature=np.array([node.get("split_feature", 0) for node in nodes], dtype=np.int64),
        threshold=np.array(
            [_compared(node["threshold"]) if is_ else 0.0 for node, is_ in zip(nodes, numeric, strict=True)]
        ),
        missing_left=np.array([_missing_left(node) for node in nodes], dtype=np.bool_),
        leaf=np.array([[node.get("leaf_value", 0.0)] for node in nodes], dtype=np.float64),
        cover=np.array([node.get("internal_count", node.get("leaf_count", 1)) for node in nodes], dtype=np.float64),
        output=output,
        splits=[_lightgbm_split(at, node) for at, node in enumerate(nodes) if node.get("decision_type") == "=="],
    )


def _compared(threshold: float) -> float:
    """What a number is compared with to go where LightGBM sends it: what lies within `ZERO` is 0 to it."""
    if threshold >= _WRITTEN_INFINITY:
        return math.inf
    if abs(threshold) > ZERO:
        return threshold
    return ZERO if threshold >= 0 else math.nextafter(-ZERO, -math.inf)


def _missing_left(node: Mapping[str, Any]) -> bool:
    if node.get("decision_type") != "<=":
        return False
    if node["missing_type"] == "None":  # NaN is 0 to it
        return bool(node["threshold"] >= 0)
    return bool(node["default_left"])


def _lightgbm_split(at: int, node: Mapping[str, Any]) -> CategorySplit:
    left = {int(one) for one in str(node["threshold"]).split("||")}
    return CategorySplit(at, frozenset(left), max(left) + 1, other_left=False, negative_left=False)
