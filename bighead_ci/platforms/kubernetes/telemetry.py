"""What variants on a cluster did: what their pods counted, between samples taken through the API server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bighead_ci.documents.telemetry import Measurement, VariantCounts
from bighead_ci.errors import RetryError
from bighead_ci.platforms.kubernetes.platform import KubernetesPlatform
from bighead_ci.platforms.samples import Counters, Sample, increase
from bighead_ci.platforms.telemetry import answered

TOO_MANY, SERVER_ERRORS = 429, 500
NOTHING: dict[str, float] = {}


class KubernetesTelemetry:
    """Measures variants of one environment on a cluster.

    Requests and errors are those that reached a pod. One that the gateway could bring to none is not counted: that a
    variant is not ready stops its canary in another way.
    """

    def __init__(self, platform: KubernetesPlatform) -> None:
        self._platform = platform

    def measure(
        self, model: str, variants: Sequence[str], since: datetime, until: datetime | None = None
    ) -> Measurement:
        """What each variant did between the first and the last sample of a span; up to now takes one more sample."""
        if until is None:
            self._platform.sample(model)
        samples = self._platform.samples(model).between(since, until)
        if len(samples) < len(("first", "last")):
            place = f"{self._platform.environment}/{model}"
            raise RetryError(f"nothing was sampled of {place} since {since:%Y-%m-%d %H:%M:%S} UTC yet")
        return Measurement(
            since=samples[0].at,
            until=samples[-1].at,
            variants={name: counts(samples, name) for name in variants},
        )


def counts(samples: Sequence[Sample], variant: str) -> VariantCounts:
    """What the pods of a variant did between the first and the last of the samples; pure.

    A pod that first appears after the first sample began at zero. What one counted after its last sample is not known.
    """
    grown: dict[str, float] = {}
    for pod in sorted({name for sample in samples for name in sample.variants if name.startswith(f"{variant}/")}):
        seen = [sample.variants[pod] for sample in samples if pod in sample.variants]
        begun = [] if pod in samples[0].variants else [Counters(run=seen[0].run, values=NOTHING)]
        for name, value in increase([*begun, *seen]).items():
            grown[name] = grown.get(name, 0.0) + value
    by_status = {
        int(key.rpartition("|")[2]): value for key, value in grown.items() if key.startswith("bighead_requests_total|")
    }
    return answered(grown).model_copy(
        update={"requests": round(sum(by_status.values())), "errors": round(sum(_failed(by_status)))}
    )


def _failed(by_status: Mapping[int, float]) -> list[float]:
    return [count for status, count in by_status.items() if status >= SERVER_ERRORS or status == TOO_MANY]
