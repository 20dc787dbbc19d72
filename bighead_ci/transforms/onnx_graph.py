"""Finishes a converted graph: input names as columns are called, one output, standard operators, nothing outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx
from onnx import ModelProto, TensorProto

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.errors import BugError
from bighead_ci.transforms.artifact import OUTPUT


def finish(model: ModelProto, inputs: Sequence[ArtifactInput], names: Sequence[str]) -> bytes:
    """Serialize the graph with its inputs renamed and in order, and `probabilities` as its only output.

    Args:
        model: The converted graph.
        inputs: The estimator's inputs.
        names: What the converter called them, in the same order; one the graph does not use may be absent from it.

    Raises:
        BugError: the graph has other inputs, lacks the output, or keeps weights outside the file.
    """
    graph = model.graph
    called = dict(zip(names, (item.name for item in inputs), strict=True))
    strangers = [item.name for item in graph.input if item.name not in called]
    if strangers or OUTPUT not in [item.name for item in graph.output]:
        raise BugError(f"converted graph: unexpected inputs {strangers}, outputs {[o.name for o in graph.output]}")
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in graph.initializer):
        raise BugError("converted graph: weights outside the file")
    for node in _nodes(graph):
        node.input[:] = [called.get(name, name) for name in node.input]
    del graph.input[:]
    graph.input.extend(_value(item) for item in inputs)
    kept = [item for item in graph.output if item.name == OUTPUT]
    del graph.output[:]
    graph.output.extend(kept)
    _drop_unused(model)
    _drop_metadata(model)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _value(item: ArtifactInput) -> onnx.ValueInfoProto:
    kind = TensorProto.STRING if item.type == "string" else TensorProto.FLOAT
    return onnx.helper.make_tensor_value_info(item.name, kind, [None, item.size or 1])


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of the graphs inside them (loops, branches), which can read the outer one's values."""
    for node in graph.node:
        yield from _within(node)


def _within(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    yield node
    for attribute in node.attribute:
        for graph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
            yield from _nodes(graph)


def _drop_unused(model: ModelProto) -> None:
    """Remove nodes and weights that `probabilities` does not need (the label branch of a classifier)."""
    graph = model.graph
    needed = {item.name for item in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= {name for inner in _within(node) for name in inner.input}
    nodes, weights = list(reversed(kept)), [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.initializer[:]
    graph.initializer.extend(weights)
    used = {node.domain for node in _nodes(graph)}
    imports = sorted(
        (item for item in model.opset_import if item.domain in used or not item.domain), key=lambda item: item.domain
    )
    del model.opset_import[:]
    model.opset_import.extend(imports)
    del graph.value_info[:]


def _drop_metadata(model: ModelProto) -> None:
    """Remove what exporters note down about how they came to a node: paths and line numbers of the training machine."""
    graph = model.graph
    for noted in (model, graph, *_nodes(graph), *graph.initializer, *graph.output):
        noted.ClearField("doc_string")
        noted.ClearField("metadata_props")
