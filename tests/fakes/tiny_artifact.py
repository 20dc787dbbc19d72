"""A model artifact small enough to write by hand: the score is the logistic of slope * distance + 0.5 * delay.

A missing delay counts as 0; a missing distance makes the score NaN.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bighead_ci.documents.artifact import ArtifactInput, ArtifactManifest, GoldenRow, GoldenRows, InputDomain
from bighead_ci.documents.definition import RequestField
from bighead_ci.documents.target import Target
from bighead_ci.scorers.artifact import artifact_digest

FLOAT32 = float(np.finfo(np.float32).max)
FIELDS = {
    "distance": RequestField(type="float64", required=False, description="Miles.", example=500.0),
    "delay": RequestField(type="float64", required=False),
}

NOTE = {"note": RequestField(type="string", required=False, use="lookup", description="The model does not see it.")}


def score(slope: float, distance: float, delay: float) -> float:
    """What the artifact gives for the positive class."""
    return 1.0 / (1.0 + math.exp(-(slope * distance + 0.5 * delay)))


def write_tiny_artifact(directory: Path, *, version: str = "v1", slope: float = 0.001, model: str = "tiny") -> str:
    """Write artifact.json, model.onnx and golden.json; return the artifact's digest."""
    directory.mkdir(parents=True, exist_ok=True)
    manifest = ArtifactManifest(
        model=model,
        version=version,
        target=Target(task="binary", outputs=["0", "1"]),
        inputs=[ArtifactInput(name=name, type="float64") for name in FIELDS],
        request=FIELDS | NOTE,
        features=[],
        feature_keys={},
        domains=[InputDomain(input=name, null=True, lowest=-FLOAT32, highest=FLOAT32) for name in FIELDS],
    )
    manifest.write(directory / "artifact.json")
    onnx.save(_graph(slope), str(directory / "model.onnx"))
    rows = []
    for distance, delay in ((100.0, 0.0), (900.0, 3.0), (2500.0, -4.0)):
        positive = score(slope, distance, delay)
        rows.append(GoldenRow(inputs={"distance": distance, "delay": delay}, scores=[1.0 - positive, positive]))
    GoldenRows(tolerance=1e-4, rows=rows).write(directory / "golden.json")
    return artifact_digest(directory)


def _graph(slope: float) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info(f"input_{i}", TensorProto.FLOAT, [None, 1]) for i in range(len(FIELDS))]
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])
    constants = {
        "slope": np.array([[slope]], dtype=np.float32),
        "half": np.array([[0.5]], dtype=np.float32),
        "none": np.array([[0.0]], dtype=np.float32),
        "one": np.array([[1.0]], dtype=np.float32),
    }
    nodes = [
        helper.make_node("Mul", ["input_0", "slope"], ["a"]),
        helper.make_node("IsNaN", ["input_1"], ["missing"]),
        helper.make_node("Where", ["missing", "none", "input_1"], ["known_delay"]),
        helper.make_node("Mul", ["known_delay", "half"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["positive"]),
        helper.make_node("Sub", ["one", "positive"], ["negative"]),
        helper.make_node("Concat", ["negative", "positive"], ["probabilities"], axis=1),
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, [output], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
