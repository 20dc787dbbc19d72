"""Kind `onnx`: a graph of standard operators, run by ONNX Runtime."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from bighead_ci.documents.artifact import GRAPH, ArtifactInput, ArtifactManifest
from bighead_ci.errors import InputError
from bighead_ci.ports.scorer import Floats
from bighead_ci.scorers.inputs import described, reader, typed_columns
from bighead_ci.scorers.onnx_file import STANDARD_DOMAINS, foreign_domains

OUTPUT = "probabilities"
"""The graph's only output: (rows, outputs)."""
_TENSORS: dict[str, Any] = {
    "tensor(string)": object,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
}
"""What a graph's inputs may be."""


def graph_input(index: int) -> str:
    """What the graph calls the input that the manifest has at a place.

    Names in a graph are the engine's own: no column's name can meet one that a converter uses inside.
    """
    return f"input_{index}"


def load(directory: Path, manifest: ArtifactManifest) -> OnnxScorer:
    """The scorer of an artifact's directory.

    Raises:
        InputError: the graph is none, uses operators outside the standard, or has other inputs than the manifest.
    """
    path = directory / GRAPH
    graph = path.read_bytes()
    try:
        domains = foreign_domains(graph)
    except ValueError as error:
        raise InputError(f"{path}: not an ONNX model: {error}") from error
    if domains:
        allowed = ", ".join(sorted(STANDARD_DOMAINS - {""}))
        raise InputError(f"{path}: operators of {', '.join(domains)}; allowed: {allowed}")
    try:
        return OnnxScorer(manifest, graph)
    except InputError as error:
        raise InputError(f"{directory}: {error}") from error


class OnnxScorer:
    """Scores rows with a graph. Safe to use from several threads."""

    def __init__(self, manifest: ArtifactManifest, graph: bytes) -> None:
        self.manifest = manifest
        self._session = _session(graph)
        self._check_graph()
        kinds = {item.name: _TENSORS[item.type] for item in self._session.get_inputs()}
        self._columns = [
            (item, graph_input(index), kinds[graph_input(index)], reader(item))
            for index, item in enumerate(manifest.inputs)
        ]
        self._local = threading.local()

    def score(self, columns: Mapping[str, npt.NDArray[Any]]) -> Floats:
        """Scores of many rows; see the port."""
        found = typed_columns(self.manifest.inputs, columns, f"{self.manifest.model}/{self.manifest.version}")
        if not found or len(found[0]) == 0:
            return np.empty((0, len(self.manifest.target.outputs)))
        with np.errstate(over="ignore"):  # a graph of float32 takes what is beyond it for infinite
            feeds = {
                called: np.ascontiguousarray(values, dtype=kind).reshape(len(values), item.size or 1)
                for (item, called, kind, _), values in zip(self._columns, found, strict=True)
            }
        return self._run(feeds).astype(np.float64)

    def score_row(self, inputs: Mapping[str, Any]) -> list[float]:
        """Scores of one row; see the port."""
        feeds = self._feeds()
        for item, called, _, read in self._columns:
            value = inputs.get(item.name)
            try:
                feeds[called][0] = read(value)
            except (ValueError, TypeError) as error:
                raise InputError(f"input {item.name}: {value!r} is not {described(item)}") from error
        scores: list[float] = self._run(feeds)[0].tolist()
        return scores

    def _feeds(self) -> dict[str, npt.NDArray[Any]]:
        found: dict[str, npt.NDArray[Any]] | None = getattr(self._local, "feeds", None)
        if found is None:
            found = self._local.feeds = {
                called: np.zeros((1, item.size or 1), dtype=kind) for item, called, kind, _ in self._columns
            }
        return found

    def _run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
        try:
            scores: npt.NDArray[Any] = self._session.run([OUTPUT], feeds)[0]
        except Exception as error:  # the runtime raises a class of its own for each cause
            name = f"{self.manifest.model}/{self.manifest.version}"
            raise InputError(f"{name}: the graph cannot score these inputs: {str(error).splitlines()[0]}") from error
        return scores.reshape(len(scores), -1)

    def _check_graph(self) -> None:
        problems = []
        declared = {graph_input(index): item for index, item in enumerate(self.manifest.inputs)}
        graph = {item.name: item for item in self._session.get_inputs()}
        for name in sorted(declared.keys() | graph.keys()):
            if name not in graph:
                problems.append(f"the graph has no {name} ({declared[name].name})")
            elif name not in declared:
                problems.append(f"the manifest has no input {name}")
            else:
                problems += _mismatch(name, declared[name], graph[name])
        outputs = [item.name for item in self._session.get_outputs()]
        if outputs != [OUTPUT]:
            problems.append(f"the graph's outputs are {', '.join(outputs)}, not {OUTPUT}")
        if problems:
            raise InputError("; ".join(problems))


def _mismatch(name: str, item: ArtifactInput, actual: Any) -> list[str]:
    wanted = ["tensor(string)"] if item.type == "string" else [kind for kind in _TENSORS if kind != "tensor(string)"]
    size = item.size or 1
    if actual.type in wanted and actual.shape[-1] == size:
        return []
    return [
        f"{name} ({item.name}) is {actual.type} x {actual.shape[-1]} in the graph, {' or '.join(wanted)} x {size} here"
    ]


def _session(graph: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    # One row at a time is the serving case: handing work to a pool costs more than it saves, and one thread always
    # adds in the same order.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises a class of its own for each cause
        raise InputError(f"{GRAPH}: ONNX Runtime {ort.__version__} refuses it: {str(error).splitlines()[0]}") from error
