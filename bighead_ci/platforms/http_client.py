"""Plain HTTP to the processes of this machine."""

from __future__ import annotations

from functools import cache

import httpx

SECONDS = 2.0


@cache
def process_client() -> httpx.Client:
    """One for all questions to variants' processes; it keeps no connection to one that left.

    To make a client takes longer than most answers, and the system's certificates, which nothing here needs, 17 ms.
    """
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(timeout=SECONDS, trust_env=False, limits=limits, verify=False)  # noqa: S501 - no TLS
