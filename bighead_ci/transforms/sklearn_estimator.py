"""Turns a fitted scikit-learn pipeline into an ONNX graph with one named input a column."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.errors import InputError
from bighead_ci.sentences import shortened
from bighead_ci.transforms.onnx_graph import finish
from bighead_ci.transforms.value_and_quantiles import register

OPSETS = {"": 21, "ai.onnx.ml": 3}
"""The newest that skl2onnx writes and every ONNX Runtime since 1.20 reads."""

_registered = threading.Lock()


def to_onnx(estimator: Any, inputs: Sequence[ArtifactInput], *, narrow: bool = False) -> bytes:
    """The graph of a fitted classifier or regressor that was trained on a frame of these inputs.

    Args:
        estimator: Fitted.
        inputs: What it takes.
        narrow: Let the graph's numbers be float32: some operators know nothing else.

    Raises:
        InputError: a step of the pipeline has no ONNX form.
    """
    with _registered:
        register()
    estimator = _of_one_matrix(estimator, inputs)
    number = FloatTensorType if narrow else DoubleTensorType
    types = [
        (item.name, StringTensorType([None, 1]) if item.type == "string" else number([None, item.size or 1]))
        for item in inputs
    ]
    options = {"zipmap": False} if hasattr(estimator, "predict_proba") else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = convert_sklearn(
                estimator, initial_types=types, options=options, target_opset=OPSETS, name="estimator"
            )
    except InputError:
        raise
    except Exception as error:
        step = type(estimator).__name__
        said = shortened(str(error))
        raise InputError(f"{step} cannot be turned into ONNX: {said or type(error).__name__}") from error
    # A classifier's outputs are the label and then the scores, a regressor's is the value, whatever they are called.
    return finish(model, inputs, [item.name for item in model.graph.input], model.graph.output[-1].name)


def _of_one_matrix(estimator: Any, inputs: Sequence[ArtifactInput]) -> Any:
    """With a step before it that sets columns side by side, which skl2onnx does not do of itself."""
    first = estimator.steps[0][1] if isinstance(estimator, Pipeline) else estimator
    if isinstance(first, ColumnTransformer | FeatureUnion) or len(inputs) == 1:
        return estimator
    if any(item.type == "string" for item in inputs):
        return estimator
    names = [item.name for item in inputs]
    beside = ColumnTransformer([("columns", "passthrough", names)])
    beside.fit(pd.DataFrame(np.zeros((1, len(names))), columns=names))
    return Pipeline([("columns", beside), ("estimator", estimator)])
