"""What an ONNX file declares, read without the onnx package: a model's process carries only the runtime.

The runtime does not tell which operator domains a file uses before it runs them, so the few protobuf fields that say it
are read here.
"""

from __future__ import annotations

from bighead_ci.wire_format import fields

STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
"""Operators that the ONNX standard defines; anything else would be code of somebody's own."""

_OPSET_IMPORT, _FUNCTIONS = 8, 25
"""Field numbers of onnx.ModelProto."""


def foreign_domains(model: bytes) -> list[str]:
    """Operator domains of a serialized model that are not the standard's, sorted.

    Raises:
        ValueError: the bytes are not a whole protobuf message.
    """
    domains = set()
    for number, value in fields(model):
        if number == _OPSET_IMPORT and isinstance(value, bytes):
            names = [text for field, text in fields(value) if field == 1 and isinstance(text, bytes)]
            domains.add(names[-1].decode(errors="replace") if names else "")
        elif number == _FUNCTIONS:
            domains.add("functions of the model itself")
    return sorted(domains - STANDARD_DOMAINS)
