"""Messages between a variant's process and the one that runs its code: a length, then a JSON document.

JSON, and not pickle: what runs a version's code may not make objects of its choice in the process that serves. NaN and
infinities pass, as Python's JSON has them.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any

SCORES, DETAILS = "scores", "details"
"""What the process of the code is asked for, and what its answer calls that."""
_LENGTH = struct.Struct("!I")


def packed(document: Any) -> bytes:
    """A message's bytes."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return _LENGTH.pack(len(body)) + body


async def read(reader: asyncio.StreamReader) -> Any:
    """The next message.

    Raises:
        asyncio.IncompleteReadError: the other side closed.
    """
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return json.loads(await reader.readexactly(length))


def receive(connection: socket.socket) -> Any:
    """The next message, waited for.

    Raises:
        EOFError: the other side closed.
    """
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    return json.loads(_exactly(connection, length))


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
