"""Protobuf's wire format: the fields of a message by number.

CEL hands out its syntax tree in this form, and ONNX files are written in it. A handful of fields of each is read, for
which a model's process and the planner need no schema and no protobuf runtime.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of one message, in the order written: numbers as such, everything else as bytes.

    Raises:
        ValueError: the bytes are not a whole message.
    """
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
    for count in range(_LONGEST_VARINT):
        if position + count >= len(message):
            raise ValueError("a number is cut off")
        byte = message[position + count]
        value |= (byte & 0x7F) << (7 * count)
        if not byte & 0x80:
            return value, position + count + 1
    raise ValueError("a number is too long")
