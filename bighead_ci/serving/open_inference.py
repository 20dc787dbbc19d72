"""The Open Inference Protocol, version 2, over REST: what KServe, Triton and MLServer speak.

Source: https://github.com/kserve/open-inference-protocol, `specification/protocol/inference_rest.md`. A tensor is a
request field, an element of its first dimension a row. JSON data only: no binary tensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.definition import ColumnType, RequestField
from bighead_ci.serving.predictor import Predicted
from bighead_ci.serving.request import FieldProblem, RequestError, shown

BASE = "/v2"
SCORES, PREDICTION_ID = "scores", "prediction_id"
"""Output tensors: (rows, outputs) numbers, and (rows,) text by which each row is found in the prediction log."""

_WHOLE = ("INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8")
DATATYPES: dict[ColumnType, tuple[str, ...]] = {
    "int64": _WHOLE,
    "float64": ("FP64", "FP32", "FP16", *_WHOLE),
    "string": ("BYTES",),
    "bool": ("BOOL",),
    "timestamp": ("BYTES",),
}
"""Type of a field → datatypes whose every value is one of it, the one that metadata names first."""


class OpenInference:
    """The protocol's view of one model: paths, metadata, and rows of tensors."""

    explains: ClassVar[bool] = False
    listed: ClassVar[str] = "rows"
    together: ClassVar[bool] = False

    def __init__(self, manifest: ArtifactManifest) -> None:
        self._manifest = manifest
        model = f"{BASE}/models/{manifest.model}"
        both = (model, f"{model}/versions/{manifest.version}")
        about = {"name": manifest.model, "version": manifest.version}
        self.infer = tuple(f"{path}/infer" for path in both)
        """Paths of requests."""
        self.documents: dict[str, dict[str, Any]] = {
            BASE: {"name": "bighead", "version": "2", "extensions": []},
            f"{BASE}/health/live": {"live": True},
            f"{BASE}/health/ready": {"ready": True},
            **{path: self._metadata() for path in both},
            **{f"{path}/ready": {**about, "ready": True} for path in both},
        }
        """Path → what it answers while the process is ready, as it is as soon as its port is open."""
        self.readiness = frozenset({f"{BASE}/health/ready", *(f"{path}/ready" for path in both)})
        """Those of them that say something else when it is not."""

    def _metadata(self) -> dict[str, Any]:
        manifest = self._manifest
        inputs = [
            {
                "name": name,
                "datatype": DATATYPES[field.type][0],
                "shape": [-1] if field.size is None else [-1, field.size],
                "parameters": {"required": field.required},
            }
            for name, field in manifest.request.items()
        ]
        outputs = [
            {
                "name": SCORES,
                "datatype": "FP64",
                "shape": [-1, len(manifest.target.outputs)],
                "parameters": {"names": ",".join(manifest.target.outputs)},
            },
            {"name": PREDICTION_ID, "datatype": "BYTES", "shape": [-1]},
        ]
        return {
            "name": manifest.model,
            "versions": [manifest.version],
            "platform": "bighead",
            "inputs": inputs,
            "outputs": outputs,
        }

    def rows(self, body: Any) -> list[Any]:
        """See `RowsProtocol`. An optional field needs no tensor; null is a missing value, also of a tensor of numbers.

        Raises:
            RequestError: it is no inference request, or a tensor does not fit its field (all problems at once).
        """
        tensors = _tensors(body)
        problems = _unknown_outputs(body)
        columns: dict[str, list[Any]] = {}
        for number, tensor in enumerate(tensors):
            try:
                name, values = self._column(tensor, f"inputs[{number}]")
                if name in columns:
                    raise _problem(f"inputs[{number}].name", "sent more than once", name, "each input once")
                columns[name] = values
            except RequestError as error:
                problems += error.problems
        counts = {name: len(values) for name, values in columns.items()}
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{name} {count}" for name, count in counts.items())
            message = f"tensors have different numbers of rows: {said}"
            problems.append(FieldProblem("inputs", message, None, "one number"))
        if problems:
            raise RequestError(problems)
        rows = next(iter(counts.values()), 0)
        return [{name: values[row] for name, values in columns.items()} for row in range(rows)]

    def placed(self, _: Any, number: int, problem: FieldProblem, /) -> FieldProblem:
        """See `RowsProtocol`: elements of one place in all tensors are a row."""
        return problem.inside(f"rows[{number}]")

    def answer(self, body: Any, predicted: Sequence[Predicted], _: str, /) -> Iterator[bytes]:
        """See `RowsProtocol`. Outputs that the request names, or both."""
        rows, width = len(predicted), len(self._manifest.target.outputs)
        flat = [score for one in predicted for score in one.scores]
        ids = [one.answer["prediction_id"] for one in predicted]
        tensors = {
            SCORES: {"name": SCORES, "datatype": "FP64", "shape": [rows, width], "data": flat},
            PREDICTION_ID: {"name": PREDICTION_ID, "datatype": "BYTES", "shape": [rows], "data": ids},
        }
        wanted = [one["name"] for one in body.get("outputs") or []] or list(tensors)
        about = {"model_name": self._manifest.model, "model_version": self._manifest.version}
        named = {"id": body["id"]} if isinstance(body.get("id"), str) else {}
        answer = {**about, **named, "outputs": [tensors[name] for name in wanted]}
        yield json.dumps(answer, separators=(",", ":")).encode()

    def _column(self, tensor: Any, where: str) -> tuple[str, list[Any]]:
        """Name and values of a tensor, one a row; of one that is no field the schema says what it does with it."""
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise _problem(where, "no tensor", shown(tensor), "an object with name, shape, datatype and data")
        name: str = tensor["name"]
        where = f"{where} ({name})"
        if "data" not in tensor:
            raise _problem(where, "has no data", None, "JSON data; binary tensors are not taken (binary_data=False)")
        field = self._manifest.request.get(name, RequestField(type="string"))
        allowed = DATATYPES[field.type]
        if name in self._manifest.request and tensor.get("datatype") not in allowed:
            raise _problem(
                f"{where}.datatype", "not of the field's type", shown(tensor.get("datatype")), _list(allowed)
            )
        shape, flat = _shape(tensor, where), _flat(tensor["data"])
        width = math.prod(shape[1:])
        if width != (field.size or 1) and name in self._manifest.request:
            expected = "[rows]" if field.size is None else f"[rows, {field.size}]"
            raise _problem(f"{where}.shape", "wrong shape", str(shape), expected)
        if len(flat) != math.prod(shape):
            raise _problem(f"{where}.data", "not as many values as its shape says", str(len(flat)), str(shape))
        if field.size is None:
            return name, flat[:: width or 1]
        return name, [flat[start : start + width] for start in range(0, len(flat), width)]


def _tensors(body: Any) -> list[Any]:
    found = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(found, list) or not found:
        raise _problem("inputs", "no list of tensors", shown(found), "a tensor a request field")
    return found


def _unknown_outputs(body: dict[str, Any]) -> list[FieldProblem]:
    wanted = body.get("outputs") or []
    names = (
        [one.get("name") if isinstance(one, dict) else None for one in wanted] if isinstance(wanted, list) else [None]
    )
    return [
        FieldProblem(f"outputs[{number}]", "no such output", shown(name), _list((SCORES, PREDICTION_ID)))
        for number, name in enumerate(names)
        if name not in {SCORES, PREDICTION_ID}
    ]


def _shape(tensor: dict[str, Any], where: str) -> list[int]:
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not shape or not all(type(size) is int and size >= 0 for size in shape):
        raise _problem(f"{where}.shape", "no shape", shown(shape), "a list of sizes, rows first")
    return shape


def _flat(data: Any) -> list[Any]:
    """Values in row-major order; the protocol takes nested lists and flat ones alike."""
    if not isinstance(data, list):
        return [data]
    flat: list[Any] = []
    pending = [iter(data)]
    while pending:
        for value in pending[-1]:
            if isinstance(value, list):
                pending.append(iter(value))
                break
            flat.append(value)
        else:
            pending.pop()
    return flat


def _problem(field: str, message: str, value: str | None, allowed: str) -> RequestError:
    return RequestError([FieldProblem(field, message, value, allowed)])


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)
