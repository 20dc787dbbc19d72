"""What an ONNX file declares, read without the onnx package: a model's process carries only the runtime.

The runtime does not tell which operator domains a file uses before it runs them, so the few protobuf fields that say it
are read here.
"""

from __future__ import annotations

from collections.abc import Iterator

STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
"""Operators that the ONNX standard defines; anything else would be code of somebody's own."""

_OPSET_IMPORT, _FUNCTIONS = 8, 25
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def foreign_domains(model: bytes) -> list[str]:
    """Operator domains of a serialized model that are not the standard's, sorted.

    Raises:
        ValueError: the bytes are not a whole protobuf message.
    """
    domains = set()
    for number, value in _fields(model):
        if number == _OPSET_IMPORT and isinstance(value, bytes):
            names = [text for field, text in _fields(value) if field == 1 and isinstance(text, bytes)]
            domains.add(names[-1].decode(errors="replace") if names else "")
        elif number == _FUNCTIONS:
            domains.add("functions of the model itself")
    return sorted(domains - STANDARD_DOMAINS)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if kind == _BYTES:
            length, position = _varint(message, position)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"field {number} has wire type {kind}")
        if position + length > len(message):
            raise ValueError(f"field {number} is cut off")
        yield number, message[position : position + length]
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = 0
    for count in range(10):
        if position + count >= len(message):
            raise ValueError("a number is cut off")
        byte = message[position + count]
        value |= (byte & 0x7F) << (7 * count)
        if not byte & 0x80:
            return value, position + count + 1
    raise ValueError("a number is too long")
