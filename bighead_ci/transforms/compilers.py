"""The ways from a fitted estimator to an artifact, in the order in which they are tried."""

from __future__ import annotations

from typing import Any

from bighead_ci.documents.artifact import GRAPH, ArtifactManifest
from bighead_ci.errors import InputError
from bighead_ci.transforms.columns import Columns
from bighead_ci.transforms.compiler import Compiled, Compiler
from bighead_ci.transforms.learned import (
    holds_neighbours,
    holds_one_against_the_rest,
    holds_support_vector_probabilities,
    holds_trees,
)
from bighead_ci.transforms.sklearn_estimator import to_onnx
from bighead_ci.transforms.table_compiler import linear, trees


def _graph(estimator: Any, manifest: ArtifactManifest, _training: Columns) -> Compiled:
    _refuse_jumps(estimator)
    return Compiled("onnx", {GRAPH: to_onnx(estimator, manifest.inputs)})


def _narrow_graph(estimator: Any, manifest: ArtifactManifest, _training: Columns) -> Compiled:
    _refuse_jumps(estimator)
    return Compiled("onnx", {GRAPH: to_onnx(estimator, manifest.inputs, narrow=True)})


def _refuse_jumps(estimator: Any) -> None:
    """Of scores that jump, skl2onnx's are elsewhere where its numbers are rounded otherwise.

    Of trees it loses besides where missing values go, and its search for a float32 threshold may never end.
    """
    if holds_trees(estimator):
        raise InputError("skl2onnx is not asked for scikit-learn's trees: it scores missing values otherwise")
    if holds_neighbours(estimator):
        raise InputError("skl2onnx is not asked for neighbours: which of two is nearer is decided by the last digit")
    if holds_support_vector_probabilities(estimator):
        raise InputError("skl2onnx is not asked for probabilities of support vectors: their iteration ends elsewhere")
    if holds_one_against_the_rest(estimator):
        raise InputError("skl2onnx is not asked for one class against the rest: float32 may take their sum for 0")


COMPILERS = (
    # Tables first: they compute in float64, as the estimator, and explain what they answer.
    Compiler("trees", "", trees),
    Compiler("linear", "", linear),
    Compiler("onnx", "", _graph),
    Compiler("onnx", "float32", _narrow_graph, largest=1e18),  # its square is a float32, too
)
