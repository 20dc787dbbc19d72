"""What a variant's process counts, as Prometheus reads it. Every series carries model, version, variant, artifact."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bighead_ci.documents.live import VariantConfig
from bighead_ci.documents.target import Target
from bighead_ci.tasks.registry import task_named

LATENCY_BUCKETS = tuple(round(0.0001 * 1.25**step, 7) for step in range(49))
"""Seconds, 0.1 ms to 4.5 s, each a quarter above the one before: a quantile read from them is off by 12 % at most."""


class ServingMetrics:
    """Counters of one variant."""

    def __init__(self, config: VariantConfig, inputs: Sequence[str], target: Target) -> None:
        self.registry = CollectorRegistry()
        labels = {
            "model": config.model,
            "version": config.version,
            "variant": config.variant,
            "artifact": config.artifact,
        }
        names, values = tuple(labels), tuple(labels.values())

        def counter(name: str, about: str) -> Counter:
            return Counter(f"bighead_{name}", about, names, registry=self.registry).labels(*values)

        def gauge(name: str, about: str) -> Gauge:
            return Gauge(f"bighead_{name}", about, names, registry=self.registry).labels(*values)

        self._requests = Counter(
            "bighead_requests",
            "Requests by the HTTP status of their answer.",
            (*names, "status"),
            registry=self.registry,
        )
        self.rows = counter("rows", "Rows that were answered: one a request, or all of a list.")
        self._nulls = Counter(
            "bighead_null_inputs", "Nulls in answered rows, by input.", (*names, "input"), registry=self.registry
        )
        self._values = values
        self._by_status: dict[int, Counter] = {}
        self.nulls = {name: self._nulls.labels(*values, name) for name in inputs}
        self.seconds = Histogram(
            "bighead_request_seconds",
            "Time from the arrival of a request for one row in the process to its answer.",
            names,
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        ).labels(*values)
        self.listed_seconds = Histogram(
            "bighead_listed_row_seconds",
            "Time that a row of a list took, by its share.",
            names,
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        ).labels(*values)
        self.scores = Histogram(
            "bighead_score",
            f"The answer as one number: {task_named(target.task).stands_for_answer}.",
            names,
            buckets=target.bounds,
            registry=self.registry,
        ).labels(*values)
        self.unknown_fields = counter("unknown_fields", "Fields sent that this version does not know.")
        self.log_rows = counter("log_rows", "Predictions written to the log.")
        self.log_drops = counter("log_drops", "Predictions that did not reach the log.")
        self.log_errors = counter("log_errors", "Failed attempts to write the log.")
        self.restarts = Counter(
            "bighead_restarts",
            "How often the variant's process, or the one that runs its code, was started again.",
            (*names, "of"),
            registry=self.registry,
        )
        self.code_restarts = self.restarts.labels(*values, "code")
        self.process_restarts = self.restarts.labels(*values, "process")
        self.memory = gauge("memory_bytes", "Resident memory of the process, and of the one that runs its code.")
        self.ready = gauge("ready", "1 when golden rows held and it takes requests.")

    def answered(self, status: int, seconds: float) -> None:
        """Count the answer to a request for one row."""
        self.counted(status)
        self.seconds.observe(seconds)

    def counted(self, status: int) -> None:
        """Count the answer to a request, whatever it was for."""
        counter = self._by_status.get(status)
        if counter is None:
            counter = self._by_status[status] = self._requests.labels(*self._values, str(status))
        counter.inc()

    def page(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)
