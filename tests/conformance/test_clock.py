"""What every clock promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bighead_ci.clocks import ShiftedClock, SystemClock
from bighead_ci.ports.clock import Clock
from fakes.clock import FixedClock

CLOCKS: dict[str, Clock] = {
    "system": SystemClock(),
    "shifted": ShiftedClock(timedelta(days=-4_000)),
    "fixed": FixedClock(datetime(2026, 1, 1, tzinfo=UTC)),
}


@pytest.fixture(params=CLOCKS)
def clock(request: pytest.FixtureRequest) -> Clock:
    """Each in turn."""
    return CLOCKS[request.param]


def test_the_time_is_of_utc(clock: Clock) -> None:
    """Moments of two clocks can be compared, and are written alike."""
    assert clock.now().tzinfo is UTC


def test_time_does_not_run_back(clock: Clock) -> None:
    """Of two answers the later is no earlier moment."""
    before = clock.now()
    assert before <= clock.now()


def test_a_shifted_clock_keeps_its_distance() -> None:
    """As far from the machine's time as it was told."""
    distance = SystemClock().now() - ShiftedClock(timedelta(days=-10)).now()
    assert timedelta(days=10) - timedelta(seconds=5) < distance <= timedelta(days=10)


def test_a_fixed_clock_moves_when_it_is_told() -> None:
    """By so many seconds, and not before."""
    clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.forward(90)
    assert clock.now() == clock.now() == datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC)
