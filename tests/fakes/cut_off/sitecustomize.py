"""Cuts a Python process, and those it starts, off from every other machine; each attempt to reach one is written down.

On PYTHONPATH, Python imports this at its start. `BIGHEAD_TEST_ATTEMPTS` names the file that gets a line an attempt.
"""

from __future__ import annotations

import os
import sys
from typing import Any

OURS = {"", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::", None}  # noqa: S104 - compared with, never bound


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in {"socket.connect", "socket.sendto"}:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else ""  # a path is a socket of this machine
    elif event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}:
        host = arguments[0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if name not in OURS:
        with open(os.environ["BIGHEAD_TEST_ATTEMPTS"], "a", encoding="utf-8") as attempts:  # noqa: PTH123
            attempts.write(f"{event} {name}: {' '.join(' '.join(sys.orig_argv).split())[:200]}\n")
        raise OSError(f"cut off from {name}")


sys.addaudithook(refuse)
