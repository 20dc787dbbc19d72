"""A request's body: from the bytes that arrived to a JSON value, strictly as RFC 8259 has it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from bighead_ci.documents.live import BODY_LIMIT

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class BodyError(Exception):
    """The body cannot be read; the caller can mend it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


async def read(scope: Scope, receive: Receive) -> bytes:
    """The whole body.

    Raises:
        BodyError: it is too long, compressed, or its sender left.
    """
    encoding = next((value for name, value in scope["headers"] if name == b"content-encoding"), b"identity")
    if encoding.lower() != b"identity":
        raise BodyError(f"content-encoding {encoding.decode('latin-1')!r}; allowed: identity (not compressed)", 415)
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BodyError("the caller left before the end of its body")
        part = message.get("body", b"")
        size += len(part)
        if size > BODY_LIMIT:
            raise BodyError(f"the body is larger than {BODY_LIMIT} bytes", 413)
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def decode(body: bytes) -> Any:
    """The JSON value that a body holds. A byte order mark before it is ignored.

    Raises:
        BodyError: it is no JSON, or names a field twice.
    """
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise BodyError(f"the body is not UTF-8: {error}") from error
    except RecursionError as error:
        raise BodyError("the body is not JSON: it is nested too deeply") from error
    except ValueError as error:  # also a number of more digits than Python reads
        raise BodyError(f"the body is not JSON: {error}") from error


def _no_constant(name: str) -> float:
    raise json.JSONDecodeError(f"{name} is not a JSON number", name, 0)


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Readers disagree on which of two values counts: neither does here."""
    pairs = list(pairs)
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise BodyError(f"sent more than once: {', '.join(map(ascii, twice))}")
    return found
