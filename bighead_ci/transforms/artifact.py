"""The model artifact at run time: verify it, load it, score with it. NumPy and ONNX Runtime only.

An artifact is data. Loading verifies the digest of its files, that the graph uses standard operators only, that its
inputs are those of the manifest, and that the golden rows get the scores the training framework gave them.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from pydantic import ValidationError

from bighead_ci.documents.artifact import (
    FORMAT,
    GOLDEN,
    GRAPH,
    MANIFEST,
    ArtifactInput,
    ArtifactManifest,
    GoldenRows,
)
from bighead_ci.documents.base import digest_of, digest_of_bytes, short
from bighead_ci.errors import InputError
from bighead_ci.transforms.deviation import deviation
from bighead_ci.transforms.onnx_file import STANDARD_DOMAINS, foreign_domains

OUTPUT = "probabilities"
"""The graph's only output: (rows, classes)."""


def graph_input(index: int) -> str:
    """What the graph calls the input that the manifest has at a place.

    Names in a graph are the engine's own: no column's name can meet one that a converter uses inside.
    """
    return f"input_{index}"


Floats = npt.NDArray[np.float64]


class RowsScorer(Protocol):
    """A loaded artifact of any kind."""

    manifest: ArtifactManifest

    def score(self, columns: Mapping[str, npt.NDArray[Any]]) -> Floats:
        """Scores of many rows, shape (rows, outputs)."""

    def score_row(self, inputs: Mapping[str, Any]) -> list[float]:
        """Scores of one row."""


Loader = Callable[[Path, ArtifactManifest], RowsScorer]


def artifact_digest(directory: Path) -> str:
    """Digest over the sorted (file name, file digest) pairs of an artifact's directory.

    Raises:
        InputError: the directory is missing or holds a directory.
    """
    try:
        entries = sorted(directory.iterdir())
        return digest_of([[entry.name, digest_of_bytes(entry.read_bytes())] for entry in entries])
    except OSError as error:
        raise InputError(f"{directory}: not a readable artifact: {error.strerror or error}") from error


class Scorer:
    """Scores rows with a verified graph. Safe to use from several threads."""

    def __init__(self, manifest: ArtifactManifest, graph: bytes) -> None:
        self.manifest = manifest
        self._session = _session(graph)
        self._columns = [(item, graph_input(index), _reader(item)) for index, item in enumerate(manifest.inputs)]
        self._local = threading.local()

    def score(self, columns: Mapping[str, npt.NDArray[Any]]) -> Floats:
        """Scores of many rows, shape (rows, classes).

        Args:
            columns: Every input by name: `(rows,)`, or `(rows, size)` for a list input. A missing number is NaN or
                None, a missing text is None or "".

        Raises:
            InputError: an input is missing, or its values are not of its type and size (all problems at once).
        """
        problems, feeds = [], {}
        for item, called, _ in self._columns:
            if item.name not in columns:
                problems.append(f"input {item.name} is missing")
                continue
            try:
                feeds[called] = feed(item, columns[item.name])
            except (ValueError, TypeError) as error:
                problems.append(f"input {item.name}: {error}")
        if problems:
            raise InputError(f"{self.manifest.model}/{self.manifest.version}: " + "; ".join(problems))
        if not feeds or len(next(iter(feeds.values()))) == 0:
            return np.empty((0, len(self.manifest.target.outputs)))
        return self._run(feeds).astype(np.float64)

    def score_row(self, inputs: Mapping[str, Any]) -> list[float]:
        """Scores of one row, one a class. An input that is absent or None counts as missing (NaN, or "").

        Raises:
            InputError: a value is not of its input's type or size.
        """
        feeds = self._feeds()
        for item, called, read in self._columns:
            value = inputs.get(item.name)
            try:
                feeds[called][0] = read(value)
            except (ValueError, TypeError) as error:
                raise InputError(f"input {item.name}: {value!r} is not {_described(item)}") from error
        scores: list[float] = self._run(feeds)[0].tolist()
        return scores

    def _feeds(self) -> dict[str, npt.NDArray[Any]]:
        found: dict[str, npt.NDArray[Any]] | None = getattr(self._local, "feeds", None)
        if found is None:
            found = self._local.feeds = {
                called: np.zeros((1, item.size or 1), dtype=object if item.type == "string" else np.float32)
                for item, called, _ in self._columns
            }
        return found

    def _run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        try:
            scores: npt.NDArray[np.float32] = self._session.run([OUTPUT], feeds)[0]
        except Exception as error:  # the runtime raises a class of its own for each cause
            name = f"{self.manifest.model}/{self.manifest.version}"
            raise InputError(f"{name}: the graph cannot score these inputs: {str(error).splitlines()[0]}") from error
        return scores


def feed(item: ArtifactInput, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """One input of many rows as the graph takes it, shape (rows, size or 1).

    Raises:
        ValueError: the values have another size, or are no numbers.
    """
    if item.type == "string":
        texts = np.asarray(values, dtype=object).reshape(-1, item.size or 1)
        texts = texts.copy()
        texts[texts == None] = ""  # noqa: E711 - elementwise over an object array
        return texts
    numbers = np.asarray(values)
    if numbers.dtype == object:
        numbers = np.array([_numbers(value, item.size) for value in numbers], dtype=np.float32)
    numbers = np.ascontiguousarray(numbers, dtype=np.float32)
    if item.size is not None and numbers.shape[1:] != (item.size,):
        raise ValueError(f"rows have shape {numbers.shape[1:]}, not ({item.size},)")
    return numbers.reshape(len(numbers), item.size or 1)


def _load_graph(directory: Path, manifest: ArtifactManifest) -> Scorer:
    graph = (directory / GRAPH).read_bytes()
    try:
        domains = foreign_domains(graph)
    except ValueError as error:
        raise InputError(f"{directory / GRAPH}: not an ONNX model: {error}") from error
    if domains:
        allowed = ", ".join(sorted(STANDARD_DOMAINS - {""}))
        raise InputError(f"{directory / GRAPH}: operators of {', '.join(domains)}; allowed: {allowed}")
    scorer = Scorer(manifest, graph)
    _check_graph(scorer, directory)
    return scorer


LOADERS: Mapping[str, Loader] = {"onnx": _load_graph}
"""Kind of artifact → what loads it, of the kinds that need no code of the version."""


def load_artifact(directory: Path, expected_digest: str, loaders: Mapping[str, Loader] = LOADERS) -> RowsScorer:
    """Verify an artifact and make its scorer.

    Raises:
        InputError: the artifact is not the one expected, is damaged, of an unknown format, uses operators outside the
            standard, or does not score its golden rows as the training framework did.
    """
    _check_files(directory, (MANIFEST, GOLDEN))
    found = artifact_digest(directory)
    if found != expected_digest:
        raise InputError(
            f"{directory}: the artifact is {short(found)}, expected {short(expected_digest)}: changed or damaged"
        )
    return open_artifact(directory, loaders)


def open_artifact(directory: Path, loaders: Mapping[str, Loader] = LOADERS) -> RowsScorer:
    """`load_artifact` for an artifact that was made just now and has no digest to hold it against.

    Raises:
        InputError: as `load_artifact`.
    """
    _check_format(directory / MANIFEST)
    manifest = _document(ArtifactManifest, directory / MANIFEST)
    golden = _document(GoldenRows, directory / GOLDEN)
    _check_files(directory, (MANIFEST, GOLDEN, *manifest.files))
    if manifest.kind not in loaders:
        allowed = ", ".join(sorted(loaders))
        raise InputError(f"{directory}: the artifact is of kind {manifest.kind}; loaded here are: {allowed}")
    scorer = loaders[manifest.kind](directory, manifest)
    difference = golden_difference(scorer, golden)
    if not difference <= golden.tolerance:
        raise InputError(
            f"{directory}: golden rows score differently by {difference:.3g}, tolerance {golden.tolerance:.3g}: "
            "refusing to serve"
        )
    return scorer


def _check_files(directory: Path, names: Sequence[str]) -> None:
    missing = sorted(name for name in names if not (directory / name).is_file())
    if missing:
        raise InputError(f"{directory}: the artifact lacks {', '.join(missing)}")


def golden_difference(scorer: RowsScorer, golden: GoldenRows) -> float:
    """Largest difference between the scorer and the scores kept with the golden rows.

    Infinite if a score is not a number or shapes differ.
    """
    largest = 0.0
    for row in golden.rows:
        scores = scorer.score_row(row.inputs)
        if len(scores) != len(row.scores):
            return float("inf")
        apart = float(deviation(scores, row.scores).max(initial=0.0))
        if math.isnan(apart):
            return float("inf")
        largest = max(largest, apart)
    return largest


def _check_format(path: Path) -> None:
    """Say what to do with an artifact that another engine made; what is no manifest is for its reader to refuse."""
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        return
    made = found.get("format") if isinstance(found, dict) else None
    if isinstance(made, int) and made != FORMAT:
        age = "an older" if made < FORMAT else "a newer"
        version = f"{found.get('model')}/{found.get('version')}"
        raise InputError(
            f"{path}: an artifact of format {made}, which {age} engine made; this one reads format {FORMAT}. Train "
            f"{version} again with this engine: `bighead retrain {version} --as-of now`, and promote what its pull "
            "request makes"
        )


def _document(kind: Any, path: Path) -> Any:
    try:
        return kind.read(path)
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(str(step) for step in detail["loc"])
        raise InputError(f"{path}: not a {kind.__name__} of a known format: {where}: {detail['msg']}") from error


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


def _check_graph(scorer: Scorer, directory: Path) -> None:
    problems = []
    declared = {graph_input(index): item for index, item in enumerate(scorer.manifest.inputs)}
    graph = {item.name: item for item in scorer._session.get_inputs()}  # noqa: SLF001 - same module
    for name in sorted(declared.keys() | graph.keys()):
        if name not in graph:
            problems.append(f"the graph has no {name} ({declared[name].name})")
        elif name not in declared:
            problems.append(f"the manifest has no input {name}")
        else:
            wanted = _graph_type(declared[name]), declared[name].size or 1
            actual = graph[name].type, graph[name].shape[-1]
            if wanted != actual:
                problems.append(
                    f"{name} ({declared[name].name}) is {actual[0]} x {actual[1]} in the graph, "
                    f"{wanted[0]} x {wanted[1]} here"
                )
    outputs = [item.name for item in scorer._session.get_outputs()]  # noqa: SLF001 - same module
    if outputs != [OUTPUT]:
        problems.append(f"the graph's outputs are {', '.join(outputs)}, not {OUTPUT}")
    if problems:
        raise InputError(f"{directory}: {'; '.join(problems)}")


def _graph_type(item: ArtifactInput) -> str:
    return "tensor(string)" if item.type == "string" else "tensor(float)"


def _described(item: ArtifactInput) -> str:
    kind = "text" if item.type == "string" else "a number"
    return kind if item.size is None else f"a list of {item.size} numbers"


def _numbers(value: Any, size: int | None) -> Any:
    if value is None:
        return np.nan if size is None else [np.nan] * size
    if size is None:
        return float(value)
    return [np.nan if number is None else float(number) for number in value]


def _reader(item: ArtifactInput) -> Any:
    """How one value of the input becomes what is assigned to its row of the feed."""
    if item.type == "string":
        return _text if item.size is None else _texts(item.size)
    if item.size is None:
        return _number
    return _list_of(item.size)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError
    return value


def _texts(size: int) -> Any:
    def read(value: Sequence[Any] | None) -> list[str]:
        texts = [""] * size if value is None else [_text(text) for text in value]
        if len(texts) != size:
            raise ValueError
        return texts

    return read


def _number(value: Any) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, str):
        raise TypeError
    return float(value)


def _list_of(size: int) -> Any:
    def read(value: Sequence[Any] | None) -> list[float]:
        numbers = [float("nan")] * size if value is None else [_number(number) for number in value]
        if len(numbers) != size:
            raise ValueError
        return numbers

    return read
