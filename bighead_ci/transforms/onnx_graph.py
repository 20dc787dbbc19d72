"""Finishes a converted graph: names of ours alone, one output, standard operators, nothing outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx
from onnx import ModelProto, TensorProto

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.errors import BugError, InputError
from bighead_ci.scorers.onnx_file import STANDARD_DOMAINS
from bighead_ci.scorers.onnx_graph import OUTPUT, graph_input


def finish(model: ModelProto, inputs: Sequence[ArtifactInput], names: Sequence[str], output: str) -> bytes:
    """Serialize the graph with every name replaced by one of ours and `probabilities` as its only output.

    Args:
        model: The converted graph.
        inputs: The estimator's inputs.
        names: What the converter called them, in the same order; one the graph does not use may be absent from it.
        output: What the converter called the scores.

    Raises:
        InputError: it uses operators that not every machine has, or that ask it for a locale.
        BugError: the graph has other inputs, lacks the output, or keeps weights outside the file.
    """
    graph = model.graph
    strangers = [item.name for item in graph.input if item.name not in names]
    if strangers or output not in [item.name for item in graph.output]:
        raise BugError(f"converted graph: unexpected inputs {strangers}, outputs {[o.name for o in graph.output]}")
    if unfit := sorted({f"{node.domain or 'ai.onnx'}.{node.op_type}" for node in _nodes(graph) if _is_unfit(node)}):
        raise InputError(f"the graph needs {', '.join(unfit)}, which depends on the machine that it runs on")
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in graph.initializer):
        raise BugError("converted graph: weights outside the file")
    kept = [item for item in graph.output if item.name == output]
    del graph.output[:]
    graph.output.extend(kept)
    kinds = {item.name: item.type.tensor_type.elem_type for item in graph.input}
    _drop_unused(model)
    _widen(graph, output)
    _rename(graph, {name: graph_input(index) for index, name in enumerate(names)} | {output: OUTPUT})
    del graph.input[:]
    graph.input.extend(
        _value(index, item, kinds.get(name)) for index, (item, name) in enumerate(zip(inputs, names, strict=True))
    )
    _drop_metadata(model)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _is_unfit(node: onnx.NodeProto) -> bool:
    return node.op_type == "StringNormalizer" or node.domain not in STANDARD_DOMAINS


def _widen(graph: onnx.GraphProto, output: str) -> None:
    """Cast the scores to float64: skl2onnx declares of some that they are float32, and of others that they are not."""
    narrow = "scores before widening"
    for node in graph.node:
        node.output[:] = [narrow if name == output else name for name in node.output]
        node.input[:] = [narrow if name == output else name for name in node.input]
    graph.node.append(onnx.helper.make_node("Cast", [narrow], [output], to=TensorProto.DOUBLE))
    (scores,) = graph.output
    scores.type.tensor_type.elem_type = TensorProto.DOUBLE


def _value(index: int, item: ArtifactInput, converted: int | None) -> onnx.ValueInfoProto:
    """The input as the converter typed it; one that it left out, in the widest type."""
    kind = converted or (TensorProto.STRING if item.type == "string" else TensorProto.DOUBLE)
    return onnx.helper.make_tensor_value_info(graph_input(index), kind, [None, item.size or 1])


def _rename(graph: onnx.GraphProto, ours: dict[str, str]) -> None:
    """Name every value and node by a number, in order, but for those that have a name already."""

    def name(theirs: str) -> str:
        return ours.setdefault(theirs, f"value_{len(ours)}") if theirs else ""  # an optional input that is left out

    for inside in _graphs(graph):
        for value in [*inside.input, *inside.output, *inside.initializer]:
            value.name = name(value.name)
        for node in inside.node:
            node.input[:] = [name(one) for one in node.input]
            node.output[:] = [name(one) for one in node.output]
    for index, node in enumerate(_nodes(graph)):
        node.name = f"node_{index}"


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and those inside its nodes."""
    yield graph
    for node in _nodes(graph):
        yield from _inside(node)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of the graphs inside them (loops, branches), which can read the outer one's values."""
    for node in graph.node:
        yield from _within(node)


def _within(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    yield node
    for graph in _inside(node):
        yield from _nodes(graph)


def _inside(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs that a node holds itself."""
    for attribute in node.attribute:
        yield from [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]


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


def without_metadata(graph: bytes) -> bytes:
    """A graph that somebody else serialized, without what exporters note down of the machine that they ran on."""
    model = onnx.load_model_from_string(graph)
    _drop_metadata(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _drop_metadata(model: ModelProto) -> None:
    """Remove what exporters note down about how they came to a node: paths and line numbers of the training machine."""
    graph = model.graph
    for noted in (model, graph, *_nodes(graph), *graph.initializer, *graph.output):
        noted.ClearField("doc_string")
        noted.ClearField("metadata_props")
