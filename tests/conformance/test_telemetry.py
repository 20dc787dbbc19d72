"""What every telemetry measures: the local platform's and a cluster's, by real requests, and the one in memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from bighead_ci.clocks import SystemClock
from bighead_ci.documents.histogram import Histogram
from bighead_ci.documents.labels import VARIANT
from bighead_ci.documents.telemetry import VariantCounts
from bighead_ci.errors import RetryError
from bighead_ci.platforms.kubernetes.telemetry import KubernetesTelemetry
from bighead_ci.platforms.telemetry import LocalTelemetry
from bighead_ci.policy.canary import Arm, figures
from bighead_ci.ports.telemetry import Telemetry
from fakes.cluster_bench import GATEWAY_URL, ClusterBench, required
from fakes.container_bench import ContainerBench
from fakes.docker_bench import why_no_base
from fakes.local_bench import ROW, LocalBench, desired, weighted
from fakes.shipping import answers
from fakes.telemetry import MemoryTelemetry

READY = 60.0
WITHOUT_DELAY = {"distance": 500.0}
REFUSED = {"distance": "far"}
FAILED = {"delay": 1.0}
"""The model gives no number."""


class Bench:
    """A telemetry, and two variants of a model `tiny` in `prod` of which the newer one is asked."""

    def __init__(
        self, telemetry: Telemetry, local: LocalBench | None = None, cluster: ClusterBench | None = None
    ) -> None:
        self.telemetry = telemetry
        self.local = local
        self.cluster = cluster
        self._idle, self._asked = "tiny-v1", "tiny-v2"
        real = local or cluster
        if real is not None:
            self._variants = [real.variant("v1"), real.variant("v2")]
            self._idle, self._asked = (variant.name for variant in self._variants)
            for variant in self._variants:
                real.platform.ensure_variant(variant, READY)

    def in_force(self, weight: int = 100) -> datetime:
        """Put weights in force; since when they are."""
        real = self.local or self.cluster
        if real is None:
            return _now()
        idle, asked = self._variants
        wanted = desired(weighted(idle, 100 - weight), weighted(asked, weight))
        if self.cluster is not None:
            self.cluster.merge(wanted)
        real.platform.route(wanted)
        (live,) = real.platform.observe()
        assert live.since is not None
        if self.cluster is not None:
            self.cluster.await_traffic(only=asked.version if weight == 100 else None)
        return live.since

    def ask(self, good: int, *, nulls: int = 0, failed: int = 0, refused: int = 0) -> None:
        """So many requests that are answered well (some of them with a null), that fail, and that are wrong."""
        if self.local is not None or self.cluster is not None:
            rows = [ROW] * (good - nulls) + [WITHOUT_DELAY] * nulls + [FAILED] * failed + [REFUSED] * refused
            url = self.local.url() if self.local is not None else f"{self.cluster_bench.gateway_url}/tiny"
            host = {} if self.cluster is None else {"host": self.cluster.definition.gateway.host}
            statuses = [httpx.post(f"{url}/predict", json=row, headers=host).status_code for row in rows]
            assert statuses == [200] * good + [500] * failed + [400] * refused
            return
        assert isinstance(self.telemetry, MemoryTelemetry)
        told = answers(good).model_copy(
            update={
                "requests": good + failed + refused,
                "errors": failed,
                "nulls": {"distance": 0, "delay": nulls},
            }
        )
        self.telemetry.answer("tiny", self._asked, told)

    def restart(self) -> None:
        """The process that is asked dies and is started again."""
        if self.local is not None:
            self.local.kill(self._asked)
            while self.local.live(self._asked).state != "dead":
                time.sleep(0.01)
            self.local.platform.ensure_variant(self._variants[1], READY)
        if self.cluster is not None:
            self.cluster.kubectl("-n", self.cluster.namespace, "delete", "pod", "-l", f"{VARIANT}={self._asked}")
            assert self.cluster.platform.ensure_variant(self._variants[1], READY)
            self.cluster.await_traffic(only="v2")

    @property
    def cluster_bench(self) -> ClusterBench:
        assert self.cluster is not None
        return self.cluster

    def counts(self, since: datetime, until: datetime | None = None) -> VariantCounts:
        """What the asked variant did; the other one did nothing."""
        measured = self.telemetry.measure("tiny", [self._idle, self._asked], since, until)
        assert since <= measured.since <= measured.until <= (until or _now())
        assert measured.variants.keys() == {self._idle, self._asked}
        idle = measured.variants[self._idle]
        assert (idle.requests, idle.errors, idle.answers, idle.scores.total) == (0, 0, 0, 0)
        return measured.variants[self._asked]


def _now() -> datetime:
    """A moment that no other call had or will have."""
    time.sleep(0.001)
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


E2E = pytest.mark.e2e


@pytest.fixture(
    params=[
        "memory",
        pytest.param("local", marks=E2E),
        pytest.param("docker", marks=E2E),
        pytest.param("kubernetes", marks=E2E),
    ]
)
def bench(request: pytest.FixtureRequest, shared: Path, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "memory":
        yield Bench(MemoryTelemetry(SystemClock()))
        return
    if request.param == "kubernetes":
        required(GATEWAY_URL)
        cluster = ClusterBench(tmp_path)
        cluster.create_namespace()
        cluster.platform.start()
        yield Bench(KubernetesTelemetry(cluster.platform), cluster=cluster)
        cluster.delete_namespace()
        return
    if request.param == "docker" and (reason := why_no_base()):
        pytest.skip(f"NOT RUN, containers are not held to what telemetry measures here: {reason}")
    local = (ContainerBench if request.param == "docker" else LocalBench)(shared, tmp_path)
    local.platform.start()
    yield Bench(LocalTelemetry(local.platform), local)
    local.platform.stop()


def test_what_was_answered_since_a_moment_is_counted(bench: Bench) -> None:
    """Every request with its outcome, and every good answer with its latency, score and nulls."""
    since = bench.in_force()
    bench.ask(4, nulls=1, failed=2)
    found = bench.counts(since)
    assert (found.requests, found.errors, found.answers) == (6, 2, 4)
    assert found.scores.total == 4
    assert sum(found.seconds.counts) >= 4
    assert found.nulls == {"distance": 0, "delay": 1}
    made = figures(Arm("tiny-v2", "v2", Histogram()), found)
    assert 0 < made.p50_ms <= made.p95_ms <= made.p99_ms
    assert 0 <= made.score_mean <= 1


def test_a_wrong_request_is_no_error_of_the_variant_that_refuses_it(bench: Bench) -> None:
    """400 is between the service and its caller: no canary is taken back for it."""
    since = bench.in_force()
    bench.ask(2, failed=1, refused=5)
    found = bench.counts(since)
    assert (found.requests, found.errors, found.answers) == (8, 1, 2)


def test_what_came_before_is_not_counted(bench: Bench) -> None:
    """A new span begins when weights change; the platform says when."""
    bench.in_force(50)
    bench.ask(0, failed=5)
    since = bench.in_force(100)
    bench.ask(2)
    found = bench.counts(since)
    assert (found.requests, found.errors, found.scores.total) == (2, 0, 2)


def test_what_came_after_the_end_of_a_span_is_not_counted(bench: Bench) -> None:
    """A span that is over can be measured again: it stays as it was."""
    since = bench.in_force()
    bench.ask(3)
    assert bench.counts(since).requests == 3
    until = _now()
    bench.ask(2, failed=2)
    assert bench.counts(since).requests == 7
    found = bench.counts(since, until)
    assert (found.requests, found.errors, found.scores.total) == (3, 0, 3)


def test_a_span_without_a_sample_is_a_reason_to_try_again(bench: Bench) -> None:
    """One that has yet to begin, and one that ends before it begins."""
    since = bench.in_force()
    with pytest.raises(RetryError):
        bench.counts(_now() + timedelta(hours=1))
    with pytest.raises(RetryError):
        bench.counts(since, since - timedelta(seconds=1))


def test_a_process_that_was_restarted_is_counted_on(bench: Bench) -> None:
    """Its own counters begin at zero again; what was sampled of its earlier run stays counted."""
    since = bench.in_force()
    bench.ask(3, nulls=1)
    assert bench.counts(since).answers == 3
    bench.restart()
    bench.ask(2)
    found = bench.counts(since)
    assert (found.requests, found.errors, found.answers) == (5, 0, 5)
    assert found.scores.total == 5
    assert found.nulls == {"distance": 0, "delay": 1}
