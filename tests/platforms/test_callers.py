"""What callers may send, byte by byte, to a real router and a real process behind it."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from bighead_ci.documents.live import BODY_LIMIT
from bighead_ci.platforms import envoy_config
from fakes.local_bench import ROW, LocalBench, desired, weighted

pytestmark = pytest.mark.e2e

READY = 60.0
PATIENCE = 2
"""Seconds within which a request must have arrived, instead of ten: the tests wait for it."""
PLACES = 64
"""Requests that may wait in a process."""
DOCS = Path(__file__).resolve().parents[2] / "docs" / "serving.md"
GOOD = json.dumps(ROW).encode()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBench]:
    """One variant of `tiny` behind a router."""
    shared, state = (tmp_path_factory.mktemp(name) for name in ("shared", "state"))
    bench = LocalBench(shared, state)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(envoy_config, "RECEIVE_TIMEOUT", f"{PATIENCE}s")
        bench.platform.start()
    variant = bench.variant("v1", weight=100, max_concurrency=PLACES)
    assert bench.platform.ensure_variant(variant, READY)
    bench.platform.route(desired(weighted(variant, 100)))
    yield bench
    bench.platform.stop()


@dataclass(frozen=True)
class Call:
    """A request as it goes over the wire."""

    body: bytes = GOOD
    method: str = "POST"
    path: str = "/tiny/predict"
    headers: tuple[str, ...] = ()
    protocol: str = "HTTP/1.1"
    length: bool = True

    def bytes(self) -> bytes:
        """All of it."""
        lines = [f"{self.method} {self.path} {self.protocol}"]
        lines += ["host: models.example"] if self.protocol == "HTTP/1.1" else []
        lines += [f"content-length: {len(self.body)}"] if self.length else []
        return "\r\n".join([*lines, *self.headers, "", ""]).encode() + self.body


@dataclass(frozen=True)
class Row:
    """A row of the table in docs/serving.md, and a call that shows it."""

    said: str
    status: int
    call: Call
    answer: str = ""
    """A pattern that the answer's body holds."""
    headers: dict[str, str] = field(default_factory=dict)


def fields(text: str) -> Call:
    return Call(text.encode())


ROWS = [
    Row("half of a surrogate pair in a text", 400, fields(r'{"note": "\ud83d"}'), r"note: .*ud83d"),
    Row("`NaN`, `Infinity`", 400, fields('{"distance": NaN}'), "NaN is not a JSON number"),
    Row("a number beyond what the model computes with", 400, fields('{"distance": 1e39}'), r"up to 3\.4028235e\+38"),
    Row("a number beyond double", 400, fields('{"distance": 1e999}'), "distance: .*a finite number"),
    Row("a whole number of thousands of digits", 400, fields(f'{{"distance": 1{"0" * 5000}}}'), "not JSON"),
    Row("nested too deeply", 400, Call(b"[" * 100_000), "nested too deeply"),
    Row("a field twice", 400, fields('{"distance": 1, "distance": 2}'), "sent more than once: 'distance'"),
    Row("not UTF-8", 400, Call(b'{"distance": 1, "x": "\xff"}'), "not UTF-8"),
    Row("UTF-16", 400, Call('{"distance": 1}'.encode("utf-16")), "not UTF-8"),
    Row("a byte order mark before the object", 200, Call(b"\xef\xbb\xbf" + GOOD), "score"),
    Row("no body", 400, Call(b""), "not JSON"),
    Row("more after the object", 400, Call(GOOD + b"}"), "Extra data"),
    Row("no object", 400, fields("[1]"), "must be a JSON object"),
    Row("another `content-type`", 200, Call(headers=("content-type: text/plain",)), "score"),
    Row("a compressed body", 415, Call(headers=("content-encoding: gzip",)), "allowed: identity"),
    Row("a body of more than 1 MiB", 413, Call(b" " * (BODY_LIMIT + 1)), "error"),
    Row("another method", 405, Call(b"", "GET"), "allowed: POST", {"allow": "POST"}),
    Row("`HEAD`", 405, Call(b"", "HEAD"), "", {"allow": "POST"}),
    Row("`OPTIONS`", 405, Call(b"", "OPTIONS"), "allowed: POST", {"allow": "POST"}),
    Row("a slash at the end", 200, Call(path="/tiny/predict/"), "score"),
    Row("another path", 404, Call(path="/tiny/predictions"), "allowed: /predict"),
    Row("another model", 404, Call(path="/huge/predict"), "models here: tiny"),
    Row("HTTP/1.0", 200, Call(protocol="HTTP/1.0"), "score"),
    Row("`transfer-encoding: chunked`", 200,
        Call(b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD), headers=("transfer-encoding: chunked",), length=False),
        "score"),
    Row("`expect: 100-continue`", 200, Call(headers=("expect: 100-continue",)), "score"),
    Row("no HTTP", 400, Call(protocol="HTTP/x"), "error"),
]  # fmt: skip


def send(bench: LocalBench, data: bytes) -> socket.socket:
    """A connection to the router over which the bytes went."""
    address = bench.platform.router.address
    assert address is not None
    connection = socket.create_connection((address.host, address.port), timeout=10)
    connection.sendall(data)
    return connection


def answer(connection: socket.socket, method: str = "POST") -> tuple[http.client.HTTPResponse, str]:
    """What comes back, and its body."""
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return response, response.read().decode()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.said)
def test_what_is_wrong_with_a_request_is_told_to_its_caller(bench: LocalBench, row: Row) -> None:
    """Status, reason and headers as docs/serving.md has them; nobody is sent to another host."""
    with send(bench, row.call.bytes()) as connection:
        response, body = answer(connection, row.call.method)
    assert response.status == row.status, body
    assert re.search(row.answer, body), body
    assert {name: response.getheader(name) for name in row.headers} == row.headers
    assert response.getheader("location") is None
    if row.call.method != "HEAD":
        assert isinstance(json.loads(body), dict)


def test_the_documentation_has_a_row_for_each_of_these() -> None:
    """And no other."""
    table = DOCS.read_text().partition("| a request with |")[2].partition("\n\n")[0]
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    assert [(row[0].removeprefix("| "), row[1].strip(" |")) for row in rows] == [(r.said, str(r.status)) for r in ROWS]


def test_no_path_of_a_model_leads_to_another_host(bench: LocalBench) -> None:
    """Whatever host a caller names, and however a path ends: no redirect, and no page that loads anything."""
    for path in ("/", "/predict/", "/docs.json/", "//", "/static_content/index.css", "/schema.json", "/metrics/"):
        got = httpx.get(f"{bench.url()}{path}", headers={"host": "evil.example"})
        assert got.status_code in {200, 404, 405}, path
        assert "location" not in got.headers
        assert "evil.example" not in got.text
        assert got.headers["content-type"] == "application/json"


def test_slow_senders_take_no_place_from_others(bench: LocalBench) -> None:
    """Three times as many half-sent bodies as a process has places: the others are answered as ever, these get 408."""
    begun, url = Call().bytes()[:-5], f"{bench.url()}/predict"
    with ExitStack() as stack:
        started = time.monotonic()
        slow = [stack.enter_context(send(bench, begun)) for _ in range(3 * PLACES)]
        answered = 0
        while time.monotonic() < started + PATIENCE / 2:
            assert httpx.post(url, json=ROW).status_code == 200
            answered += 1
        assert answered > 1, "one that waits for a place gets it when the slow senders are given up"
        for connection in slow:
            response, body = answer(connection)
            assert (response.status, json.loads(body)) == (408, {"error": "request timeout"})
    assert time.monotonic() < started + 4 * PATIENCE


def test_headers_that_never_end_are_given_up(bench: LocalBench) -> None:
    """A caller that sends half of its headers is answered 408 as well."""
    with send(bench, b"POST /tiny/predict HTTP/1.1\r\nhost: mod") as connection:
        response, _ = answer(connection)
    assert response.status == 408
