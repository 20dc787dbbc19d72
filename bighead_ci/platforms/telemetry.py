"""What variants did since the traffic last changed: the router's counters and each process's own, as differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from bighead_ci.documents.base import Document, Moment
from bighead_ci.documents.live import CanaryAnalysis, VariantConfig, VariantTelemetry
from bighead_ci.errors import InputError, RetryError
from bighead_ci.platforms.histogram import mean, population_stability_index, quantile
from bighead_ci.platforms.local import LocalPlatform
from bighead_ci.ports.clock import Clock
from bighead_ci.ports.telemetry import Bins

SCRAPE_SECONDS = 2.0
SCRAPES = 3
"""How often a process that lives is asked: one that tells nothing of itself fails its canary."""
LABELS = frozenset({"model", "version", "variant", "artifact"})


class Counters(Document):
    """Counters of one process, and which run of it counted them: a restart begins at zero."""

    run: str
    values: dict[str, float]

    def since(self, before: Counters | None) -> dict[str, float]:
        """What was counted since, whether or not the process was restarted between."""
        base = before.values if before is not None and before.run == self.run else {}
        return {name: value - base.get(name, 0.0) for name, value in self.values.items()}


NOTHING = Counters(run="", values={})


class Snapshot(Document):
    """All counters of one model at one moment."""

    at: Moment
    router: Counters
    variants: dict[str, Counters]


@dataclass(frozen=True)
class Routed:
    """What the router did with one variant's share."""

    requests: int
    errors: int


class LocalTelemetry:
    """Measures variants of the local platform; a mark is a file, so that any process may analyse."""

    def __init__(self, platform: LocalPlatform, clock: Clock) -> None:
        self._platform = platform
        self._clock = clock

    def mark(self, environment: str, model: str) -> None:
        """Start a new span."""
        self._take(environment, model).write(self._file(environment, model))

    def measure(self, environment: str, model: str, variants: Sequence[str]) -> dict[str, VariantTelemetry]:
        """What each variant did since the mark.

        Raises:
            InputError: a variant is not known to the platform.
            RetryError: there is no mark yet, or the router does not answer.
        """
        return self._between(self._marked(environment, model), self._take(environment, model), environment, variants)

    def analyse(
        self, environment: str, model: str, variants: tuple[str, str], weight: int, expected: tuple[Bins, Bins]
    ) -> CanaryAnalysis:
        """Compare (stable, candidate) since the mark."""
        before, now = self._marked(environment, model), self._take(environment, model)
        measured = self._between(before, now, environment, variants)
        stable, candidate = measured[variants[0]], measured[variants[1]]
        total = stable.requests + candidate.requests
        live = (stable.score_histogram, candidate.score_histogram)
        shifts = [population_stability_index(e, seen) for e, seen in zip(expected, live, strict=True)]
        return CanaryAnalysis(
            environment=environment,
            model=model,
            weight=weight,
            measured_share=100.0 * candidate.requests / total if total else 0.0,
            since=before.at,
            until=now.at,
            seconds=(now.at - before.at).total_seconds(),
            candidate=candidate,
            stable=stable,
            score_shift=max(0.0, shifts[1] - shifts[0]),
        )

    def _between(
        self, before: Snapshot, now: Snapshot, environment: str, variants: Sequence[str]
    ) -> dict[str, VariantTelemetry]:
        router = now.router.since(before.router)
        at_mark = before.router.values if before.router.run == now.router.run else {}
        configs = self._platform.configs(environment)
        unknown = sorted(set(variants) - set(configs))
        if unknown:
            known = ", ".join(sorted(configs)) or "none"
            raise InputError(f"{environment} runs no {', '.join(unknown)}; variants there: {known}")
        return {
            name: telemetry(
                configs[name],
                routed(router, name, at_mark.get(f"cluster.{name}.upstream_rq_active", 0.0)),
                now.variants.get(name, NOTHING).since(before.variants.get(name)),
            )
            for name in variants
        }

    def _take(self, environment: str, model: str) -> Snapshot:
        router = self._platform.router(environment)
        names = [name for name, config in self._platform.configs(environment).items() if config.model == model]
        with ThreadPoolExecutor(max_workers=8) as pool:
            scraped = pool.map(lambda name: self._scrape(environment, name), names)
        return Snapshot(
            at=self._clock.now(),
            router=Counters(run=router.run(), values=dict(router.counters())),
            variants={name: found for name, found in zip(names, scraped, strict=True) if found is not None},
        )

    def _scrape(self, environment: str, name: str) -> Counters | None:
        """A process's counters; None if it does not answer, which the router's counters show as errors."""
        serving = self._platform.serving(environment, name)
        if serving is None:
            return None
        for _ in range(SCRAPES):
            with suppress(httpx.HTTPError):
                url = f"http://127.0.0.1:{serving.port}/metrics"
                page = httpx.get(url, timeout=SCRAPE_SECONDS, trust_env=False).text
                return Counters(run=f"{serving.pid}:{serving.port}", values=read_page(page))
        return None

    def _marked(self, environment: str, model: str) -> Snapshot:
        try:
            return Snapshot.read(self._file(environment, model))
        except (OSError, ValueError) as error:
            raise RetryError(f"no traffic of {environment}/{model} was marked yet; reconcile first") from error

    def _file(self, environment: str, model: str) -> Path:
        return self._platform.state / environment / "marks" / f"{model}.json"


def read_page(page: str) -> dict[str, float]:
    """A Prometheus page as `name|label value` → value, without the labels that every series carries."""
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            own = [value for label, value in sorted(sample.labels.items()) if label not in LABELS]
            found["|".join((sample.name, *own))] = float(sample.value)
    return found


def routed(router: Mapping[str, float], variant: str, under_way: float = 0.0) -> Routed:
    """What was sent to a variant by weight, and how much of it failed; pure.

    Envoy counts finished requests by the cluster the route named (`<variant>` or `<variant>+<stable>`), and requests
    that reached a process by the variant's own cluster. What finished without reaching it went to the stable variant:
    the caller was served, the variant failed. A connection that broke under a request counts as well.

    What was `under_way` at the mark had reached its process before and finished after: without it, each would look like
    a failure.
    """

    def count(cluster: str, name: str) -> float:
        return router.get(f"cluster.{cluster}.{name}", 0.0)

    named = {key.split(".")[1] for key in router if key.startswith((f"cluster.{variant}.", f"cluster.{variant}+"))}
    requests = sum(count(cluster, "upstream_rq_completed") for cluster in named)
    answered_badly = sum(count(c, "upstream_rq_4xx") + count(c, "upstream_rq_5xx") for c in named)
    unreached = max(0.0, requests - under_way - count(variant, "upstream_rq_total"))
    broken = count(variant, "upstream_cx_destroy_remote_with_active_rq")
    return Routed(int(requests), int(min(requests, answered_badly + unreached + broken)))


def telemetry(config: VariantConfig, at_router: Routed, process: Mapping[str, float]) -> VariantTelemetry:
    """One variant's telemetry from differences of counters; pure."""
    seconds = _buckets(process, "bighead_request_seconds_bucket")
    scores = _buckets(process, "bighead_score_bucket")
    answered = process.get("bighead_requests_total|200", 0.0)
    nulls = _labelled(process, "bighead_null_inputs_total")
    return VariantTelemetry(
        variant=config.variant,
        version=config.version,
        requests=at_router.requests,
        errors=at_router.errors,
        error_ratio=at_router.errors / at_router.requests if at_router.requests else 0.0,
        p50_ms=quantile(seconds, 0.5) * 1000,
        p95_ms=quantile(seconds, 0.95) * 1000,
        p99_ms=quantile(seconds, 0.99) * 1000,
        score_mean=mean(process.get("bighead_score_sum", 0.0), process.get("bighead_score_count", 0.0)),
        score_histogram=[round(count) for bound, count in scores if bound != float("inf")],
        null_ratio={name: min(1.0, count / answered) if answered else 0.0 for name, count in nulls.items()},
    )


def _labelled(counters: Mapping[str, float], name: str) -> dict[str, float]:
    start = f"{name}|"
    return {key.removeprefix(start): value for key, value in counters.items() if key.startswith(start)}


def _buckets(counters: Mapping[str, float], name: str) -> list[tuple[float, float]]:
    """(upper bound, count in the bucket) in order, from cumulative counts."""
    cumulative = sorted((float(bound), value) for bound, value in _labelled(counters, name).items())
    found, below = [], 0.0
    for bound, value in cumulative:
        found.append((bound, value - below))
        below = value
    return found
