"""What variants of the local platform did: the router's counters and each process's own, between samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from bighead_ci.documents.histogram import Histogram
from bighead_ci.documents.telemetry import Measurement, VariantCounts
from bighead_ci.errors import RetryError
from bighead_ci.platforms.local import LocalPlatform
from bighead_ci.platforms.samples import Sample, increase


class LocalTelemetry:
    """Measures variants of one environment on the local platform."""

    def __init__(self, platform: LocalPlatform) -> None:
        self._platform = platform

    def measure(
        self, model: str, variants: Sequence[str], since: datetime, until: datetime | None = None
    ) -> Measurement:
        """What each variant did between the first and the last sample of a span; up to now takes one more sample."""
        if until is None:
            self._platform.sample(model)
        samples = self._platform.samples(model).between(since, until)
        if len(samples) < len(("first", "last")):
            raise RetryError(
                f"nothing was sampled of {self._platform.environment}/{model} since {since:%Y-%m-%d %H:%M:%S} UTC yet"
            )
        return Measurement(
            since=samples[0].at,
            until=samples[-1].at,
            variants={name: counts(samples, name) for name in variants},
        )


def counts(samples: Sequence[Sample], variant: str) -> VariantCounts:
    """What a variant did between the first and the last of the samples; pure."""
    active = samples[0].router.values.get(f"cluster.{variant}.upstream_rq_active", 0.0)
    under_way = active if samples[0].router.run == samples[-1].router.run else 0.0
    at_router = routed(increase(sample.router for sample in samples), variant, under_way)
    process = increase(sample.variants[variant] for sample in samples if variant in sample.variants)
    return answered(process).model_copy(update={"requests": at_router.requests, "errors": at_router.errors})


def answered(process: Mapping[str, float]) -> VariantCounts:
    """What a process says that it answered, by how much its counters grew; pure."""
    return VariantCounts(
        # An engine that had no counter of rows counted each as a request.
        answers=round(process.get("bighead_rows_total", process.get("bighead_requests_total|200", 0.0))),
        seconds=_seconds(process),
        scores=_histogram(process, "bighead_score_bucket"),
        score_sum=process.get("bighead_score_sum", 0.0),
        nulls={name: round(count) for name, count in _labelled(process, "bighead_null_inputs_total").items()},
    )


@dataclass(frozen=True)
class Routed:
    """What the router did with one variant's share."""

    requests: int
    errors: int


def routed(router: Mapping[str, float], variant: str, under_way: float = 0.0) -> Routed:
    """What was sent to a variant by weight, and how much of it failed; pure.

    Envoy counts finished requests by the cluster the route named (`<variant>` or `<variant>+<stable>`), and requests
    that reached a process by the variant's own cluster. What finished without reaching it went to the stable variant:
    the caller was served, the variant failed. A connection that broke under a request counts as well, and so does a
    request that the variant declined, which the stable one answered in its place.

    Answers with 5xx are the variant's failures, and so is 429, which says that it cannot keep up. Any other 4xx tells
    the caller that the request is wrong, and is no failure.

    What was `under_way` at the first sample had reached its process before and finished after: without it, each would
    look like a failure.
    """

    def count(cluster: str, name: str) -> float:
        return router.get(f"cluster.{cluster}.{name}", 0.0)

    named = {key.split(".")[1] for key in router if key.startswith((f"cluster.{variant}.", f"cluster.{variant}+"))}
    requests = sum(count(cluster, "upstream_rq_completed") for cluster in named)
    failed = sum(count(c, "upstream_rq_5xx") + count(c, "upstream_rq_429") for c in named)
    unreached = max(0.0, requests - under_way - count(variant, "upstream_rq_total"))
    broken = count(variant, "upstream_cx_destroy_remote_with_active_rq")
    declined = sum(count(cluster, "retry.upstream_rq_5xx") for cluster in named if "+" in cluster)
    return Routed(int(requests), int(min(requests, failed + unreached + broken + declined)))


def _seconds(process: Mapping[str, float]) -> Histogram:
    """Of requests for one row; of rows of lists where there were no others, for theirs is another kind of time."""
    single = _histogram(process, "bighead_request_seconds_bucket")
    return single if any(single.counts) else _histogram(process, "bighead_listed_row_seconds_bucket")


def _labelled(counters: Mapping[str, float], name: str) -> dict[str, float]:
    start = f"{name}|"
    return {key.removeprefix(start): value for key, value in counters.items() if key.startswith(start)}


def _histogram(counters: Mapping[str, float], name: str) -> Histogram:
    """From counts at or below each bound, as Prometheus has them."""
    cumulative = sorted((float(bound), value) for bound, value in _labelled(counters, name).items())
    below = [0.0, *(value for _, value in cumulative)]
    return Histogram(
        bounds=[bound for bound, _ in cumulative[:-1]],
        counts=[round(after - before) for before, after in pairwise(below)],
    )
