"""What is done for each model beside the others: quick ones never wait for slow ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bighead_ci.delivery.workers import MOST_AT_ONCE, Workers
from fakes.waiting import until

SLOW, QUICK = ("prod", "slow"), ("prod", "quick")


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Slow tasks wait for it."""
    event = threading.Event()
    yield event
    event.set()


def test_all_of_it_is_waited_for() -> None:
    """Unless there is a patience."""
    workers: Workers[int] = Workers()
    assert sorted(workers.each({("prod", str(n)): lambda n=n: n for n in range(100)}, slow=False)) == list(range(100))  # type: ignore[misc]
    assert workers.busy == []


def test_what_takes_long_goes_on_after_the_call(released: threading.Event) -> None:
    """Its place is busy until a later call has its result."""
    workers: Workers[str] = Workers(patience_seconds=0.05)
    assert workers.each({SLOW: lambda: f"slow {released.wait(30)}", QUICK: lambda: "quick"}, slow=True) == ["quick"]
    assert workers.busy == [SLOW]
    assert workers.each({QUICK: lambda: "quick again"}, slow=False) == ["quick again"]
    released.set()
    found: list[str] = []

    def is_done() -> bool:
        found.extend(workers.each({}, slow=True))
        return bool(found)

    until(is_done)
    assert (found, workers.busy) == (["slow True"], [])


def test_an_error_reaches_the_caller_that_asks_next(released: threading.Event) -> None:
    """It is not lost with the call that began it, and the place is free again."""
    workers: Workers[str] = Workers(patience_seconds=0.05)

    def breaks() -> str:
        released.wait(30)
        raise ValueError("a fault")

    assert workers.each({SLOW: breaks}, slow=True) == []
    released.set()
    with pytest.raises(ValueError, match="a fault"):
        until(lambda: workers.each({}, slow=True))
    assert workers.busy == []


def test_any_number_of_slow_tasks_holds_up_no_quick_one(released: threading.Event) -> None:
    """They have threads of their own."""
    workers: Workers[str] = Workers(patience_seconds=0.05)
    slow = {("prod", str(n)): lambda: f"slow {released.wait(30)}" for n in range(MOST_AT_ONCE * 2)}
    assert workers.each(slow, slow=True) == []
    assert workers.each({QUICK: lambda: "quick"}, slow=False) == ["quick"]
