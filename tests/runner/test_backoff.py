"""Pauses after failures: they grow, end with a new event, and survive a restart."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bighead_ci.runner.backoff import Backoff, Throttle
from fakes.clock import FixedClock
from fakes.context import START

BACKOFF = Backoff(first=timedelta(seconds=5), longest=timedelta(minutes=1))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


def test_pauses_double_up_to_the_longest() -> None:
    """However often something fails."""
    assert [BACKOFF.pause(n).total_seconds() for n in (1, 2, 3, 4, 5, 6, 10_000)] == [5, 10, 20, 40, 60, 60, 60]


def test_a_failed_object_waits_alone(clock: FixedClock) -> None:
    """It is not tried before its pause is over; others are."""
    throttle = Throttle(BACKOFF, clock)
    throttle.failed("#1", "head")
    assert (throttle.allows("#1", "head"), throttle.allows("#2", "head")) == (False, True)
    clock.forward(4.9)
    assert not throttle.allows("#1", "head")
    clock.forward(0.1)
    assert throttle.allows("#1", "head")


def test_a_new_event_ends_the_pause_and_the_count(clock: FixedClock) -> None:
    """The first failure on it is followed by the shortest pause again."""
    throttle = Throttle(BACKOFF, clock)
    for _ in range(4):
        throttle.failed("#1", "old head")
    assert throttle.allows("#1", "new head")
    assert throttle.failed("#1", "new head").count == 1
    assert throttle.until("#1", "new head") == clock.now() + timedelta(seconds=5)


def test_success_forgets_the_failures(clock: FixedClock) -> None:
    """The same event may fail anew later, with a short pause."""
    throttle = Throttle(BACKOFF, clock)
    throttle.failed("#1", "head")
    throttle.succeeded("#1")
    assert throttle.allows("#1", "head")
    assert throttle.failed("#1", "head").count == 1


def test_an_object_is_given_up_after_its_tries(clock: FixedClock) -> None:
    """No time helps; a new event does."""
    throttle = Throttle(BACKOFF, clock)
    assert [throttle.failed("#1", "head", tries=3).given_up for _ in range(3)] == [False, False, True]
    clock.forward(1e6)
    assert not throttle.allows("#1", "head")
    assert throttle.allows("#1", "new head")


def test_a_restart_remembers(clock: FixedClock, tmp_path: Path) -> None:
    """Failures, their pause and what was given up are on disk."""
    before = Throttle(BACKOFF, clock, tmp_path / "checks.json")
    before.failed("#1", "head")
    before.failed("#2", "head", tries=1)
    after = Throttle(BACKOFF, clock, tmp_path / "checks.json")
    clock.forward(5)
    assert after.allows("#1", "head")
    assert after.failed("#1", "head").count == 2
    assert after.until("#2", "head") is None


def test_a_memory_that_cannot_be_read_is_none(clock: FixedClock, tmp_path: Path) -> None:
    """Everything is tried once more."""
    (tmp_path / "checks.json").write_text('{"objects": {"#1"')
    assert Throttle(BACKOFF, clock, tmp_path / "checks.json").allows("#1", "head")


def test_a_clock_that_is_set_back_makes_nothing_wait(clock: FixedClock) -> None:
    """A failure in what is the future now says nothing."""
    throttle = Throttle(BACKOFF, clock)
    throttle.failed("#1", "head")
    clock.forward(-3600)
    assert throttle.allows("#1", "head")


def test_objects_that_are_gone_are_forgotten(clock: FixedClock, tmp_path: Path) -> None:
    """The memory does not grow with every pull request there ever was."""
    throttle = Throttle(BACKOFF, clock, tmp_path / "checks.json")
    throttle.failed("#1", "head", tries=1)
    throttle.failed("#2", "head", tries=1)
    throttle.keep_only(["#2"])
    after = Throttle(BACKOFF, clock, tmp_path / "checks.json")
    assert (after.allows("#1", "head"), after.allows("#2", "head")) == (True, False)
