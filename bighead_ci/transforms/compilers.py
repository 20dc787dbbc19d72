"""The ways from a fitted estimator to an artifact, in the order in which they are tried."""

from __future__ import annotations

from typing import Any

from bighead_ci.documents.artifact import GRAPH, ArtifactManifest
from bighead_ci.transforms.compiler import Compiled, Compiler
from bighead_ci.transforms.sklearn_estimator import to_onnx
from bighead_ci.transforms.table_compiler import linear, trees


def _graph(estimator: Any, manifest: ArtifactManifest) -> Compiled:
    return Compiled("onnx", {GRAPH: to_onnx(estimator, manifest.inputs)})


def _narrow_graph(estimator: Any, manifest: ArtifactManifest) -> Compiled:
    return Compiled("onnx", {GRAPH: to_onnx(estimator, manifest.inputs, narrow=True)})


COMPILERS = (
    Compiler("onnx", "", _graph),
    Compiler("trees", "", trees),
    Compiler("linear", "", linear),
    Compiler("onnx", "float32", _narrow_graph),
)
