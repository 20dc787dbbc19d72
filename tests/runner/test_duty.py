"""The runner itself: duties side by side, and failures that stay with their duty."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from bighead_ci.errors import RetryError
from bighead_ci.runner.duty import BROKEN, Runner
from bighead_ci.runner.failure_log import FailureLog
from fakes.context import model_version
from runner.conftest import Bench


class Always:
    """A duty that is always due."""

    def __init__(self, name: str, action: Callable[[], None]) -> None:
        self.name = name
        self.event = "a"
        self.action = action
        self.runs = 0

    def due(self, now: datetime) -> bool:
        """Always."""
        return now.tzinfo is not None

    def run(self) -> None:
        """Count and act."""
        self.runs += 1
        self.action()


def fails(text: str) -> Callable[[], None]:
    """What fails."""

    def action() -> None:
        raise RetryError(text)

    return action


def nothing() -> None:
    """What goes well."""


def test_a_slow_duty_delays_no_other(bench: Bench) -> None:
    """A revert is in force while another duty hangs; and none runs twice at once."""
    released, entered = threading.Event(), threading.Event()

    def hangs() -> None:
        entered.set()
        released.wait(30)

    slow, quick = Always("slow", hangs), Always("quick", nothing)
    with ThreadPoolExecutor(2) as threads:
        runner = Runner([slow, quick], bench.watch, bench.context.clock, bench.failures, threads)
        try:
            runner.poll()
            assert entered.wait(30)
            while quick.runs < 5:
                runner.poll()
            assert slow.runs == 1
        finally:
            released.set()


def test_a_failure_of_a_whole_duty_is_said_once_and_pauses_it_alone(bench: Bench) -> None:
    """The success of another duty does not make it news."""
    broken, well = Always("broken", fails("no router")), Always("well", nothing)
    poll = bench.polls(broken, well)
    for tries in range(1, 8):
        for _ in range(3):
            poll()
        assert broken.runs == tries
        bench.context.clock.forward(BROKEN.pause(tries).total_seconds())
    assert bench.said == ["broken: no router"]
    assert well.runs == 21


def test_a_new_event_ends_the_pause_of_a_whole_duty(bench: Bench) -> None:
    """Main moved: whatever stood in the way may be gone."""
    broken = Always("broken", fails("no router"))
    poll = bench.polls(broken)
    for _ in range(4):
        poll()
        poll()
        bench.context.clock.forward(60)
    poll()
    poll()
    assert broken.runs == 5
    broken.event = "b"
    poll()
    assert broken.runs == 6


def test_a_fault_of_the_engine_is_said_with_its_place_and_ends_no_other_duty(bench: Bench) -> None:
    """A runner that dies of one fault would leave everything undone."""

    def breaks() -> None:
        Path("/nowhere").rename("/else")

    faulty, well = Always("faulty", breaks), Always("well", nothing)
    poll = bench.polls(faulty, well)
    poll()
    poll()
    assert well.runs == 2
    assert "FileNotFoundError" in bench.said[0]
    assert "test_duty.py" in bench.said[0]


def test_main_that_cannot_be_read_is_said_once(bench: Bench) -> None:
    """And looked for at each poll."""
    duty = Always("duty", nothing)
    poll = bench.polls(duty)
    main = bench.context.repository.branches.pop("main")
    for _ in range(3):
        poll()
    assert (duty.runs, len(bench.said)) == (0, 1)
    bench.context.repository.branches["main"] = main
    poll()
    assert (duty.runs, bench.watch.main) == (1, main)
    bench.context.change_main(model_version("v2"), "a merge")
    poll()
    assert bench.watch.main == bench.context.tip


def test_a_failure_is_said_again_only_when_it_changes() -> None:
    """For each duty and object by itself; a failure that was over is news."""
    said: list[str] = []
    failures = FailureLog(said.append)
    for text in ("full", "full", "locked", "full"):
        failures.say("checks", "#1", text)
        failures.say("checks", "#2", "full")
        failures.say("delivery", "#1", "full")
        failures.over("delivery")
    assert said == ["#1: full", "#2: full", "#1: full", "#1: locked", "#1: full"]
    failures.keep_only("checks", ["#2"])
    failures.say("checks", "#1", "full")
    failures.say("checks", "#2", "full")
    failures.over("checks", "#2")
    failures.say("checks", "#2", "full")
    assert said[5:] == ["#1: full", "#2: full"]
