"""Answers on their way from uvicorn to the kernel."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from bighead_ci.serving.http import WholeAnswerProtocol

REQUEST = b"POST / HTTP/1.1\r\nhost: variant\r\ncontent-length: 2\r\n%s\r\n{}"


class Connection(asyncio.Transport):
    """A connection that keeps what was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        """Nothing is read from it."""

    def resume_reading(self) -> None:
        """Nothing is read from it."""


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Three bytes."""
    assert scope["type"] == "http"
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
    await send({"type": "http.response.body", "body": b"abc"})


def ask(*requests: bytes) -> Connection:
    """Send the requests at once over one connection."""

    async def run() -> Connection:
        config = uvicorn.Config(answer, lifespan="off")
        config.load()
        protocol = WholeAnswerProtocol(config, ServerState(), {})
        connection = Connection()
        protocol.connection_made(connection)
        protocol.data_received(b"".join(requests))
        for _ in range(20):
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        return connection

    return asyncio.run(run())


def test_an_answer_is_one_write() -> None:
    """Headers and body go to the kernel together, so that no process is killed between them."""
    written = ask(REQUEST % b"").writes
    assert len(written) == 1
    assert written[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert written[0].endswith(b"\r\n\r\nabc")


def test_an_answer_is_written_before_its_connection_closes() -> None:
    """A caller that wants the connection closed gets its answer first."""
    connection = ask(REQUEST % b"connection: close\r\n")
    assert connection.closed
    assert connection.writes[0].endswith(b"abc")


def test_pipelined_requests_are_answered_in_order() -> None:
    """Each of two requests that arrive together has its answer."""
    written = b"".join(ask(REQUEST % b"", REQUEST % b"").writes)
    assert written.count(b"HTTP/1.1 200 OK") == 2
    assert written.endswith(b"abc")
