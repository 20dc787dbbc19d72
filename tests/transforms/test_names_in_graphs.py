"""No name of a column meets a name inside a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

from bighead_ci.documents.artifact import ArtifactInput, ArtifactManifest
from bighead_ci.documents.target import Target
from bighead_ci.model_code.frame import estimator_frame
from bighead_ci.scorers.onnx_graph import OnnxScorer
from bighead_ci.transforms.sklearn_estimator import to_onnx
from bighead_ci.transforms.torch_estimator import TorchClassifier

TOLERANCE = 1e-5
ROWS = 60
NAMES = [
    "cat", "linear", "relu", "probabilities", "label", "output", "output_label", "output_probability", "variable",
    "input_0", "input_1", "value_7", "node_0", "softmax", "val_0", "columns_0", "column_0", "rows", "weight", "network",
    "class", "def", "lambda", "X", "Co_concat_result", "ZiPMap", "a b", "größe", "it's", 'say "so"', "x.y", "a/b", "",
]  # fmt: skip
"""What converters call things themselves, and what no identifier may be."""
DECLARED = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,62}", fullmatch=True)
"""What a column may be called. Others do not get here: pandas itself takes a name of one NUL for an empty one."""


def numbers(names: Sequence[str]) -> tuple[list[ArtifactInput], dict[str, npt.NDArray[Any]], npt.NDArray[np.int64]]:
    """A column of numbers for each name; the first decides."""
    generator = np.random.default_rng(0)
    columns = {name: generator.normal(size=ROWS).astype(np.float32) for name in names}
    inputs = [ArtifactInput(name=name, type="float64") for name in names]
    return inputs, columns, (columns[names[0]] > 0).astype(np.int64)


def largest_difference(estimator: Any, graph: bytes, inputs: list[ArtifactInput], columns: dict[str, Any]) -> float:
    manifest = ArtifactManifest(
        model="m", version="v1", target=Target(task="binary", outputs=["0", "1"]), inputs=inputs, request={},
        features=[], feature_keys={},
    )  # fmt: skip
    scores = OnnxScorer(manifest, graph).score(columns)
    return float(np.abs(scores - estimator.predict_proba(estimator_frame(columns))).max())


def test_a_network_takes_inputs_of_any_name() -> None:
    """All of them at once, those of its own operations among them."""
    inputs, columns, truth = numbers(NAMES)

    def network(width: int, classes: int) -> nn.Module:
        return nn.Sequential(nn.Linear(width, 4), nn.ReLU(), nn.Linear(4, classes))

    classifier = TorchClassifier(network, epochs=1).fit(estimator_frame(columns), truth)
    assert largest_difference(classifier, classifier.to_onnx(inputs), inputs, columns) <= TOLERANCE


@pytest.mark.parametrize("classifier", [LogisticRegression(), MLPClassifier((4,), max_iter=5)])
def test_a_pipeline_takes_inputs_of_any_name(classifier: Any) -> None:
    """All of them at once, as numbers and as text."""
    names = [name for name in NAMES if name]  # scikit-learn itself takes an empty name for none
    inputs, columns, truth = numbers(names)
    texts = [f"{name}!" for name in names[:3]] + ["labels", "probability"]
    for index, name in enumerate(texts):
        columns[name] = np.array(["a", "b", f"{index}"] * (ROWS // 3), dtype=object)
        inputs.append(ArtifactInput(name=name, type="string"))
    steps = [("numbers", StandardScaler(), names), ("text", OneHotEncoder(sparse_output=False), texts)]
    estimator = Pipeline([("columns", ColumnTransformer(steps)), ("classifier", classifier)])
    estimator.fit(estimator_frame(columns), truth)
    assert largest_difference(estimator, to_onnx(estimator, inputs), inputs, columns) <= TOLERANCE


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(NAMES[:-1]) | DECLARED, min_size=1, max_size=4, unique=True))
def test_no_name_of_an_input_is_in_its_graph(names: list[str]) -> None:
    """Whatever columns are called, the graph is the same, byte by byte, as with other names."""
    inputs, columns, truth = numbers(names)
    others, renamed, _ = numbers([f"c{index}" for index in range(len(names))])

    def graph(inputs: list[ArtifactInput], columns: dict[str, npt.NDArray[Any]]) -> bytes:
        chosen = ColumnTransformer([("numbers", StandardScaler(), [item.name for item in inputs])])
        pipeline = Pipeline([("columns", chosen), ("classifier", LogisticRegression())])
        return to_onnx(pipeline.fit(estimator_frame(columns), truth), inputs)

    made = graph(inputs, columns)
    assert made == graph(others, renamed)
    assert [item.name for item in onnx.load_from_string(made).graph.input] == [f"input_{i}" for i in range(len(names))]
