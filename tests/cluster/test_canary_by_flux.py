"""A canary by weights in git, applied by Flux on a real cluster, while callers ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bighead_ci.documents.live import DesiredVariant
from bighead_ci.platforms.kubernetes.telemetry import KubernetesTelemetry
from fakes.cluster_bench import GATEWAY_URL, required
from fakes.flux_bench import FluxBench
from fakes.gateway_load import Answers, asking
from fakes.local_bench import desired, weighted
from fakes.waiting import until

READY = 90.0
pytestmark = pytest.mark.e2e


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[FluxBench]:
    required(GATEWAY_URL)
    bench = FluxBench(tmp_path)
    bench.begin()
    yield bench
    bench.end()


def bring(bench: FluxBench, *weights: tuple[DesiredVariant, int]) -> None:
    """A merge with these weights, and the platform's wait until they are in force."""
    wanted = desired(*(weighted(variant, weight) for variant, weight in weights))
    bench.merge(wanted)
    bench.platform.route(wanted)


def answered(answers: Answers, what: str, more: int) -> None:
    """Wait until so many more were."""
    before = answers.seen[what]
    until(lambda: answers.seen[what] > before + more)


def test_a_canary_passes_and_the_old_version_leaves_without_a_failed_request(bench: FluxBench) -> None:
    """Weight 0, ready, then weight; the old version goes once it has none. A rollback brings it back the same way."""
    platform = bench.platform
    platform.start()
    one = bench.variant("v1")
    platform.ensure_variant(one, READY)
    bring(bench, (one, 100))
    with asking(bench.gateway_url, bench.definition.gateway.host) as answers:
        until(lambda: answers.seen["200 v1"] > 50)
        two = bench.variant("v2")
        platform.ensure_variant(two, READY)
        for weight in (10, 50, 100):
            bring(bench, (one, 100 - weight), (two, weight))
            answered(answers, "200 v2", 20)
        bench.drop("tiny", one.name)
        platform.remove_variants("tiny", [two.name])
        assert [v.name for m in platform.observe() for v in m.variants] == [two.name]
        bench.variant("v1")
        platform.ensure_variant(one, READY)
        bring(bench, (two, 0), (one, 100))
        answered(answers, "200 v1", 50)
    assert answers.failed == 0, answers.seen


def test_a_candidate_that_fails_is_measured_and_reverted(bench: FluxBench) -> None:
    """Its pods' own counters say what failed; the revert is one commit, and all traffic is on the old version."""
    platform = bench.platform
    platform.start()
    one, two = bench.variant("v1"), bench.variant("v2", FAIL="yes")
    for variant in (one, two):
        platform.ensure_variant(variant, READY)
    bring(bench, (one, 100))
    bring(bench, (one, 50), (two, 50))
    (live,) = platform.observe()
    assert live.since is not None
    with asking(bench.gateway_url, bench.definition.gateway.host) as answers:
        until(lambda: answers.seen["500 v2"] > 20)
        measured = KubernetesTelemetry(platform).measure("tiny", [one.name, two.name], live.since).variants
        assert measured[two.name].errors == measured[two.name].requests > 20
        assert measured[one.name].errors == 0 < measured[one.name].requests
        bench.revert("tiny")
        platform.route(desired(weighted(one, 100), weighted(two, 0)))
    with asking(bench.gateway_url, bench.definition.gateway.host) as answers:
        until(lambda: answers.seen["200 v1"] > 100)
    assert answers.seen.keys() == {"200 v1"}


def test_a_hand_edit_is_said_and_put_back(bench: FluxBench) -> None:
    """Flux is asked to look; the engine applies nothing."""
    platform = bench.platform
    platform.start()
    one, two = bench.variant("v1"), bench.variant("v2")
    for variant in (one, two):
        platform.ensure_variant(variant, READY)
    bring(bench, (one, 90), (two, 10))
    assert platform.drift("tiny") == []
    patch = '[{"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": 1}]'
    bench.kubectl("-n", bench.namespace, "patch", "httproute/tiny", "--type=json", "-p", patch)
    assert platform.drift("tiny") == ["HTTPRoute tiny: spec.rules.0.backendRefs.tiny-v1.weight is 1, main says 90"]
    platform.mend("tiny")
    assert platform.drift("tiny") == []
    assert {v.name: v.weight for m in platform.observe() for v in m.variants} == {one.name: 90, two.name: 10}
