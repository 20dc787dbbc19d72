"""Converts scikit-learn's histogram gradient boosting to ONNX, exactly.

skl2onnx has a converter of its own, which current onnx releases refuse (NumPy booleans as attributes) and which rounds
thresholds to the nearest float32: a value between the threshold and its rounding then takes the other branch. Here a
threshold is rounded down, which decides every float32 input as the float64 threshold does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from bighead_ci.errors import InputError

_LOG_LINKED = frozenset({"poisson", "gamma"})
"""Losses of a regressor whose raw score is the logarithm of its value."""


def register() -> None:
    """Make skl2onnx use these converters."""
    update_registered_converter(
        HistGradientBoostingClassifier,
        "BigheadHistGradientBoostingClassifier",
        calculate_linear_classifier_output_shapes,
        _convert,
        options={"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True]},
    )
    update_registered_converter(
        HistGradientBoostingRegressor,
        "BigheadHistGradientBoostingRegressor",
        calculate_linear_regressor_output_shapes,
        _convert_regressor,
    )


def float32_below(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The largest float32 at or below each: for float32 x, `x <= threshold` says the same with either."""
    with np.errstate(over="ignore"):
        rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def tree_attributes(model: Any) -> dict[str, Any]:
    """Attributes of the `TreeEnsembleRegressor` that gives the raw scores of a fitted model.

    Raises:
        InputError: the model splits on categories natively, which ONNX trees of this version cannot say.
    """
    trees, owners = [], []
    for iteration in model._predictors:  # noqa: SLF001 - scikit-learn publishes no other way to the trees
        for owner, predictor in enumerate(iteration):
            trees.append(predictor.nodes)
            owners.append(owner)
    if any(nodes["is_categorical"].any() for nodes in trees):
        raise InputError(
            f"{type(model).__name__}(categorical_features=…) has no ONNX form; "
            "encode the columns first (OneHotEncoder, OrdinalEncoder, TargetEncoder)"
        )
    sizes = [len(nodes) for nodes in trees]
    nodes = np.concatenate(trees)
    tree_ids = np.repeat(np.arange(len(trees)), sizes)
    node_ids = np.concatenate([np.arange(size) for size in sizes])
    leaf = nodes["is_leaf"].astype(bool)
    targets = np.repeat(np.array(owners), sizes)
    return {
        "n_targets": len(model._predictors[0]),  # noqa: SLF001 - as above
        "base_values": np.asarray(model._baseline_prediction, dtype=np.float32).ravel().tolist(),  # noqa: SLF001 - as above
        "aggregate_function": "SUM",
        "post_transform": "NONE",
        "nodes_treeids": _integers(tree_ids),
        "nodes_nodeids": _integers(node_ids),
        "nodes_featureids": _integers(np.where(leaf, 0, nodes["feature_idx"])),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_values": np.where(leaf, np.float32(0), float32_below(nodes["num_threshold"])).tolist(),
        "nodes_truenodeids": _integers(np.where(leaf, 0, nodes["left"])),
        "nodes_falsenodeids": _integers(np.where(leaf, 0, nodes["right"])),
        "nodes_missing_value_tracks_true": _integers(np.where(leaf, 0, nodes["missing_go_to_left"])),
        "target_treeids": _integers(tree_ids[leaf]),
        "target_nodeids": _integers(node_ids[leaf]),
        "target_ids": _integers(targets[leaf]),
        "target_weights": nodes["value"][leaf].astype(np.float32).tolist(),
    }


def _integers(values: npt.NDArray[Any]) -> list[int]:
    numbers: list[int] = values.astype(np.int64).tolist()
    return numbers


def _add_trees(scope: Any, operator: Any, container: Any, output: str) -> int:
    """Add the trees, whose raw scores are the output; how many there are a row."""
    attributes = tree_attributes(operator.raw_operator)
    container.add_node(
        "TreeEnsembleRegressor",
        operator.inputs[0].full_name,
        output,
        op_domain="ai.onnx.ml",
        op_version=3,
        name=scope.get_unique_operator_name("TreeEnsembleRegressor"),
        **attributes,
    )
    targets: int = attributes["n_targets"]
    return targets


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    """The raw score is the value, or by the loss its logarithm."""
    value = operator.outputs[0].full_name
    if operator.raw_operator.loss not in _LOG_LINKED:
        _add_trees(scope, operator, container, value)
        return
    raw = scope.get_unique_variable_name("raw")
    _add_trees(scope, operator, container, raw)
    container.add_node("Exp", raw, value, name=scope.get_unique_operator_name("Exp"), op_version=13)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    raw, scores = scope.get_unique_variable_name("raw"), operator.outputs[1].full_name
    targets = _add_trees(scope, operator, container, raw)
    if targets == 1:
        one, positive, negative = (scope.get_unique_variable_name(name) for name in ("one", "positive", "negative"))
        container.add_initializer(one, TensorProto.FLOAT, [], [1.0])
        container.add_node("Sigmoid", raw, positive, name=scope.get_unique_operator_name("Sigmoid"), op_version=13)
        container.add_node("Sub", [one, positive], negative, name=scope.get_unique_operator_name("Sub"), op_version=14)
        container.add_node(
            "Concat", [negative, positive], scores, axis=1, name=scope.get_unique_operator_name("Concat"), op_version=13
        )
    else:
        container.add_node(
            "Softmax", raw, scores, axis=1, name=scope.get_unique_operator_name("Softmax"), op_version=13
        )
    winner, classes = (scope.get_unique_variable_name(name) for name in ("winner", "classes"))
    container.add_initializer(classes, TensorProto.INT64, [len(model.classes_)], [int(name) for name in model.classes_])
    container.add_node(
        "ArgMax", scores, winner, axis=1, keepdims=0, name=scope.get_unique_operator_name("ArgMax"), op_version=13
    )
    container.add_node(
        "Gather",
        [classes, winner],
        operator.outputs[0].full_name,
        name=scope.get_unique_operator_name("Gather"),
        op_version=13,
    )
