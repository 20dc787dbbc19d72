"""What stands in a pod for a model's process, on nothing but Python: answers, counts, refuses, eats memory, drains.

`VARIANT`, `VERSION`, `MODEL`, `ARTIFACT` say who it is; `REFUSE` is what it says before it ends; `EAT` makes it take
that many MiB; `SLOW` is how many seconds it takes to be ready.
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
COUNTING = threading.Lock()
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
        """A prediction; a row `{"fail": true}` fails, one without a body is wrong."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            status = 500 if json.loads(body).get("fail") else 200
        except ValueError:
            status = 400
        with COUNTING:
            COUNTS[status] = COUNTS.get(status, 0) + 1
        self._answer(status, json.dumps({"score": 0.5}).encode())

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-bighead-version", ENV["VERSION"])
        self.end_headers()
        self.wfile.write(body)


def _page() -> str:
    names = ",".join(f'{name}="{ENV[name.upper()]}"' for name in ("model", "version", "variant", "artifact"))
    good = COUNTS.get(200, 0)
    lines = ["# TYPE bighead_requests counter"]
    lines += [
        f'bighead_requests_total{{{names},status="{status}"}} {count}' for status, count in sorted(COUNTS.items())
    ]
    lines += ["# TYPE bighead_rows counter", f"bighead_rows_total{{{names}}} {good}"]
    lines += ["# TYPE bighead_score histogram"]
    lines += [f'bighead_score_bucket{{{names},le="{le}"}} {good}' for le in ("0.5", "1.0", "+Inf")]
    lines += [f"bighead_score_sum{{{names}}} {good * 0.5}", f"bighead_score_count{{{names}}} {good}"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Serve until told to end, and some seconds longer: the gateway may not know yet."""
    server = http.server.ThreadingHTTPServer(("", 8000), Handler)
    server.daemon_threads = True

    def leave(*_: object) -> None:
        threading.Timer(4.0, server.shutdown).start()

    signal.signal(signal.SIGTERM, leave)
    server.serve_forever()


main()
