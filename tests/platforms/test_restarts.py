"""How often a process may be started again."""

from __future__ import annotations

from bighead_ci.documents.live import Restarts
from bighead_ci.platforms.restarts import CALM_SECONDS, LONGEST_PAUSE, counted, pause


def after(*times: float) -> Restarts:
    found = Restarts()
    for now in times:
        found = counted(found, "it leaks", now)
    return found


def test_the_first_restart_and_the_next_come_at_once() -> None:
    """Whatever it was may be over."""
    assert pause(Restarts(), 1000.0) == 0
    assert pause(after(1000.0), 1000.0) == 0


def test_a_restart_loop_backs_off() -> None:
    """The pauses double, up to a longest."""
    pauses = [pause(after(*[1000.0] * count), 1000.0) for count in (2, 3, 4, 5, 6, 20)]
    assert pauses == [5, 10, 20, 40, LONGEST_PAUSE, LONGEST_PAUSE]
    assert pause(after(1000.0, 1001.0), 1004.0) == 2


def test_a_process_that_lasted_is_started_at_once() -> None:
    """Restarts that lie far apart are no loop; all are counted."""
    found = after(1000.0, 1001.0, 1001.0 + CALM_SECONDS)
    assert (found.count, found.reason) == (3, "it leaks")
    assert pause(found, 1001.0 + CALM_SECONDS) == 0
