"""Reads the counters of a router and of the processes behind it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
from prometheus_client.parser import text_string_to_metric_families

from bighead_ci.documents.live import ServingProcess
from bighead_ci.platforms.envoy import EnvoyRouter
from bighead_ci.platforms.http_client import process_client
from bighead_ci.platforms.samples import Counters

THREADS = 8
LABELS = frozenset({"model", "version", "variant", "artifact"})
"""Carried by every series of a process."""
ROUTER_COUNTERS = (
    "upstream_rq_completed",
    "upstream_rq_total",
    "upstream_rq_429",
    "upstream_rq_5xx",
    "upstream_rq_active",
    "upstream_cx_destroy_remote_with_active_rq",
    "retry.upstream_rq_5xx",
)
PROCESS_COUNTERS = (
    "bighead_requests",
    "bighead_rows",
    "bighead_request_seconds",
    "bighead_listed_row_seconds",
    "bighead_score",
    "bighead_null_inputs",
)
"""Families that are kept."""


def scrape_router(router: EnvoyRouter, variants: list[str]) -> Counters:
    """The router's counters of some variants.

    Raises:
        RetryError: it does not answer.
    """
    values = router.counters(variants, ROUTER_COUNTERS) if variants else {}
    return Counters(run=router.run(), values=dict(values))


def scrape_processes(processes: Mapping[str, ServingProcess], tries: int) -> dict[str, Counters]:
    """The counters of each process that answers one of so many times; the router's show the others' errors."""
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        found = pool.map(lambda serving: _scrape(serving, tries), processes.values())
    return {name: counters for name, counters in zip(processes, found, strict=True) if counters is not None}


def _scrape(serving: ServingProcess, tries: int) -> Counters | None:
    for _ in range(tries):
        with suppress(httpx.HTTPError):
            url = f"http://127.0.0.1:{serving.port}/metrics"
            page = process_client().get(url).text
            return Counters(run=f"{serving.pid}:{serving.port}", values=read_page(page))
    return None


def read_page(page: str) -> dict[str, float]:
    """The counters that are kept of a Prometheus page, as `name|label value` → value, without the common labels."""
    found = {}
    for family in text_string_to_metric_families(page):
        if family.name not in PROCESS_COUNTERS:
            continue
        for sample in family.samples:
            own = [value for label, value in sorted(sample.labels.items()) if label not in LABELS]
            found["|".join((sample.name, *own))] = float(sample.value)
    return found
