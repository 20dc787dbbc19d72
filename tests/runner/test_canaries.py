"""The duty to advance canaries: once a second while there is one, and none held up by another."""

from __future__ import annotations

import pytest

from bighead_ci.delivery.advance import CanaryPass
from bighead_ci.documents.failure import Failure
from bighead_ci.runner import canaries
from bighead_ci.runner.canaries import EVERY
from fakes.context import FakeContext
from fakes.shipping import merge_version, promote_and_merge, ship, traffic
from runner.conftest import Bench


def begin_canary(context: FakeContext) -> None:
    """v3 gets 10 % in prod."""
    ship(context, "v2")
    merge_version(context, "v3", skill=1.2)
    promote_and_merge(context, "staging", "v3")
    promote_and_merge(context, "prod", "v3")


def test_a_canary_goes_to_the_end(bench: Bench) -> None:
    """Step by step, told in a line each; then nothing more is looked at."""
    begin_canary(bench.context)
    poll = bench.polls(bench.reconciliation, bench.canaries)
    for _ in range(40):
        poll()
        bench.context.clock.forward(60)
        traffic(bench.context, 1_000)
    release = bench.context.release("prod")
    assert release is not None
    assert [(v.version, v.weight) for v in release.variants] == [("v3", 100)]
    assert [
        line for line in bench.said if line.startswith("prod/late: ") and ("advanced:" in line or "retired:" in line)
    ] == [
        "prod/late: advanced: v3 10 % → 50 %",
        "prod/late: advanced: v3 50 % → 100 %",
        "prod/late: retired: v2 leaves, v3 serves alone",
    ]


def test_without_a_canary_nothing_is_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Main is read once a commit."""
    ship(bench.context, "v2")
    poll = bench.polls(bench.canaries)
    poll()
    monkeypatch.setattr(bench.canaries, "run", lambda: pytest.fail("nothing is under way"))
    for _ in range(20):
        bench.context.clock.forward(1)
        poll()


def test_a_failure_of_one_canary_is_said_once_and_pauses_it_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other is judged each second."""
    begin_canary(bench.context)
    looked: list[str] = []

    def advance(_context: object, _progress: object, only: tuple[str, str]) -> CanaryPass:
        looked.append("/".join(only))
        down = Failure(about="/".join(only), remedy="retry", message="the router does not answer")
        return CanaryPass(steps=[], failures=[down] if only[0] == "prod" else [])

    places = [("dev", "late"), ("prod", "late")]
    monkeypatch.setattr(canaries, "advance", advance)
    monkeypatch.setattr(bench.canaries, "_under_way", lambda: (places, EVERY))
    poll = bench.polls(bench.canaries)
    for _ in range(60):
        poll()
        bench.context.clock.forward(EVERY.total_seconds())
    assert looked.count("dev/late") == 60
    assert looked.count("prod/late") == 6  # after 1, 2, 4, 8, 16 and, begun, 32 seconds
    assert bench.said == ["prod/late: the router does not answer"]
