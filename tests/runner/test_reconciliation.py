"""The duty to reconcile: at once when main moves, soon while something starts, and hardly at all when idle."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest

from bighead_ci.delivery import reconcile
from bighead_ci.delivery.deliver import deliver
from bighead_ci.delivery.status import Reasons, status
from bighead_ci.ports.progress import silent
from bighead_ci.runner.reconciliation import BACKOFF, PROBE, PULSE, REASONS_FILE, STARTING
from fakes.context import FakeContext, model_version
from fakes.platform import MemoryPlatform
from fakes.shipping import merge_promotion, merge_version, ship
from fakes.waiting import until
from runner.conftest import Bench


@pytest.fixture
def calls(context: FakeContext, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the platform is observed, and how often it is asked what ended."""
    counted: Counter[str] = Counter()

    def count(platform: MemoryPlatform) -> None:
        observe, ended = platform.observe, platform.ended

        def counting_observe() -> object:
            counted["observe"] += 1
            return observe()

        def counting_ended() -> object:
            counted["ended"] += 1
            return ended()

        monkeypatch.setattr(platform, "observe", counting_observe)
        monkeypatch.setattr(platform, "ended", counting_ended)

    for platform in context.platforms.values():
        count(platform)
    return counted


def test_main_is_in_force_after_one_poll(bench: Bench) -> None:
    """A promotion, and the revert that takes it back."""
    ship(bench.context, "v2")
    merge_version(bench.context, "v3", skill=1.2)
    merge_promotion(bench.context, "staging", "v3")
    poll = bench.polls(bench.reconciliation)
    poll()
    assert bench.context.live("staging")["v3"] == 100
    path = "environments/staging/late.yaml"
    before = bench.context.repository.log("main", path)[1].id
    bench.context.change_main({path: bench.context.repository.tree(before).read(path).decode()}, "revert")
    poll()
    assert bench.context.live("staging")["v2"] == 100


def test_an_idle_second_observes_nothing(bench: Bench, calls: Counter[str]) -> None:
    """It looks whether a process ended once a second, and compares everything now and then."""
    ship(bench.context, "v2")
    poll = bench.polls(bench.reconciliation)
    poll()
    calls.clear()
    seconds = int(PROBE.total_seconds())
    for _ in range((seconds - 1) * 10):
        bench.context.clock.forward(0.1)
        poll()
    assert calls["observe"] == 0
    assert seconds - 2 <= calls["ended"] / len(["staging", "prod"]) <= seconds
    for _ in range(11):
        bench.context.clock.forward(0.1)
        poll()
    assert calls["observe"] > 0


def test_a_process_that_ended_is_back_after_a_second(bench: Bench) -> None:
    """Without waiting for the comparison of everything."""
    ship(bench.context, "v2")
    poll = bench.polls(bench.reconciliation)
    poll()
    (model,) = bench.context.platforms["prod"].observe()
    bench.context.platforms["prod"].kill(model.variants[0].name)
    poll()
    bench.context.clock.forward(PULSE.total_seconds())
    poll()
    (model,) = bench.context.platforms["prod"].observe()
    assert model.variants[0].state == "ready"


def test_weights_that_a_person_changed_are_put_back(bench: Bench) -> None:
    """At the next comparison of everything."""
    ship(bench.context, "v2")
    poll = bench.polls(bench.reconciliation)
    poll()
    bench.context.platforms["prod"].weights.clear()
    poll()
    assert bench.context.live("prod") == {"v2": 0}
    bench.context.clock.forward(PROBE.total_seconds())
    poll()
    assert bench.context.live("prod") == {"v2": 100}


def test_what_starts_is_looked_at_again_soon(bench: Bench) -> None:
    """Until it is ready."""
    ship(bench.context, "v2")
    merge_version(bench.context, "v3", skill=1.2)
    merge_promotion(bench.context, "staging", "v3")
    release = bench.context.release("staging")
    assert release is not None
    bench.context.platforms["staging"].slow.add(release.stable.artifact)
    poll = bench.polls(bench.reconciliation)
    poll()
    bench.context.platforms["staging"].slow.clear()
    poll()
    assert bench.context.live("staging") == {"v2": 100, "v3": 0}
    bench.context.clock.forward(STARTING.total_seconds())
    poll()
    assert bench.context.live("staging")["v3"] == 100


def test_a_model_that_refuses_is_tried_after_growing_pauses_and_said_once(bench: Bench) -> None:
    """The other models are as main says meanwhile, and a commit on main ends the pause."""
    ship(bench.context, "v2")
    merge_version(bench.context, "v3", skill=1.2)
    merge_promotion(bench.context, "staging", "v3")
    release = bench.context.release("staging")
    assert release is not None
    bench.context.platforms["staging"].refusals[release.stable.artifact] = "golden rows differ"
    poll = bench.polls(bench.reconciliation)
    tried = []
    ensure = bench.context.platforms["staging"].ensure_variant
    bench.context.platforms["staging"].ensure_variant = lambda *args: tried.append(args[0]) or ensure(*args)  # type: ignore[method-assign,func-returns-value]
    for tries in range(1, 6):
        for _ in range(3):
            poll()
        assert len(tried) == tries
        bench.context.clock.forward(BACKOFF.pause(tries).total_seconds())
    assert len([line for line in bench.said if "golden rows differ" in line]) == 1
    poll()
    bench.context.change_main({"README.md": "x"}, "a commit")
    poll()
    assert len(tried) == 7


def test_a_revert_does_not_wait_for_another_models_features(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes long goes on beside the passes, and its model is as main says once it is done."""
    context = bench.context
    ship(context, "v2")
    merge_version(context, "v3", skill=1.2)
    merge_promotion(context, "staging", "v3")
    poll = bench.polls(bench.reconciliation)
    poll()
    before = context.main().commit
    context.change_main(model_version("v1", "other"), "another model")
    for promotion in deliver(context, before, silent).promotions:
        context.approve_and_merge(promotion.pull_request.number)
    released = threading.Event()
    monkeypatch.setattr(reconcile, "ensure_materialized", lambda *_: released.wait(30))
    poll()
    assert "v1" not in str(context.live("staging"))
    path = "environments/staging/late.yaml"
    older = context.repository.log("main", path)[1].id
    context.change_main({path: context.repository.tree(older).read(path).decode()}, "revert")
    poll()
    assert context.live("staging")["v2"] == 100
    released.set()

    def passes() -> bool:
        context.clock.forward(STARTING.total_seconds())
        poll()
        return any(m.model == "other" and m.variants[0].weight == 100 for m in context.platforms["staging"].observe())

    until(passes)


def test_an_environment_that_cannot_start_is_said_once_and_status_says_why(bench: Bench, tmp_path: Path) -> None:
    """The others run; it is tried again after growing pauses, and is well again as soon as it can be."""
    context = bench.context
    ship(context, "v2")
    platform = context.platforms["prod"]
    poll = bench.polls(bench.reconciliation)
    poll()
    platform.stop()
    platform.taken = "pid 7 (somebody)"
    file = tmp_path / "runner" / REASONS_FILE
    for _ in range(40):
        context.clock.forward(1)
        poll()
    assert [line for line in bench.said if "pid 7" in line] == [
        "prod: stays as it was: its port is taken by pid 7 (somebody)"
    ]
    (late,) = [model for model in status(context, reasons=Reasons.read(file)).models if model.differences]
    assert (late.environment, late.differences[-1]) == ("prod", "its port is taken by pid 7 (somebody)")
    assert context.live("staging") == {"v2": 100}
    platform.taken = ""
    for _ in range(70):
        context.clock.forward(1)
        poll()
    assert context.live("prod") == {"v2": 100}
    assert Reasons.read(file).failed == []
