"""What stands in a pod for a model's process, on nothing but Python: answers, counts, refuses, eats memory, drains.

`VARIANT`, `VERSION`, `MODEL`, `ARTIFACT` say who it is; `REFUSE` is what it says before it ends; `EAT` makes it take
that many MiB; `SLOW` is how many seconds it takes to be ready; with `FAIL` every answer is a failure.
"""

import http.server
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

ENV = os.environ
STARTED = time.monotonic()
COUNTS: dict[int, int] = {}
INPUTS = ("distance", "delay")
NULLS = dict.fromkeys(INPUTS, 0)
COUNTING = threading.Lock()
LEAVING = threading.Event()
if ENV.get("REFUSE"):
    Path("/dev/termination-log").write_text(ENV["REFUSE"])
    sys.exit(3)
EATEN = [bytearray(b"x" * (1 << 20)) for _ in range(int(ENV.get("EAT", "0")))]


class Handler(http.server.BaseHTTPRequestHandler):
    """Speaks what a model's process speaks, as far as a platform looks."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:  # http.server's
        """Probes and counters."""
        if self.path == "/metrics":
            self._answer(200, _page().encode(), "text/plain; version=0.0.4")
        else:
            self._answer(200 if time.monotonic() - STARTED >= float(ENV.get("SLOW", "0")) else 503, b"{}")

    def do_POST(self) -> None:  # http.server's
        """A prediction, of which only what can be counted is of interest."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        status = _status(json.loads(body))
        with COUNTING:
            COUNTS[status] = COUNTS.get(status, 0) + 1
            if status == 200:
                for name in INPUTS:
                    NULLS[name] += name not in json.loads(body)
        self._answer(status, json.dumps({"score": 0.5}).encode())

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-bighead-version", ENV["VERSION"])
        if LEAVING.is_set():
            self.send_header("connection", "close")  # nobody is to be cut off when this process ends
        self.end_headers()
        self.wfile.write(body)


def _status(row: dict[str, object]) -> int:
    """A text where a number belongs is wrong; a delay without a distance is more than the model can do."""
    if isinstance(row.get("distance"), str):
        return 400
    return 500 if "FAIL" in ENV or ("delay" in row and "distance" not in row) else 200


def _page() -> str:
    names = ",".join(f'{name}="{ENV[name.upper()]}"' for name in ("model", "version", "variant", "artifact"))
    good = COUNTS.get(200, 0)
    lines = ["# TYPE bighead_requests_total counter"]
    lines += [f'bighead_requests_total{{{names},status="{s}"}} {count}' for s, count in sorted(COUNTS.items())]
    lines += ["# TYPE bighead_rows_total counter", f"bighead_rows_total{{{names}}} {good}"]
    lines += ["# TYPE bighead_null_inputs_total counter"]
    lines += [f'bighead_null_inputs_total{{{names},input="{name}"}} {count}' for name, count in NULLS.items()]
    for name, bounds in (("score", ("0.5", "1.0", "+Inf")), ("request_seconds", ("0.01", "+Inf"))):
        lines += [f"# TYPE bighead_{name} histogram"]
        lines += [f'bighead_{name}_bucket{{{names},le="{le}"}} {good}' for le in bounds]
        lines += [f"bighead_{name}_sum{{{names}}} {good * 0.5}", f"bighead_{name}_count{{{names}}} {good}"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Serve until told to end, and some seconds longer: the gateway may not know yet."""
    server = http.server.ThreadingHTTPServer(("", 8000), Handler)
    server.daemon_threads = True

    def leave(*_: object) -> None:
        LEAVING.set()
        threading.Timer(4.0, server.shutdown).start()

    signal.signal(signal.SIGTERM, leave)
    server.serve_forever()


main()
