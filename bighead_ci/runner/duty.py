"""What a duty is, and the runner that does all of them side by side."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from datetime import datetime, timedelta
from typing import Protocol

from bighead_ci.errors import BigheadError
from bighead_ci.ports.clock import Clock
from bighead_ci.runner.backoff import Backoff, Throttle
from bighead_ci.runner.failure_log import FailureLog
from bighead_ci.runner.watch import Watch

POLL_SECONDS = 0.25
"""A look at some files each time; each time it wakes costs more than the look."""
WATCHING = "watching main"
BROKEN = Backoff(first=timedelta(seconds=1), longest=timedelta(minutes=1))
"""Pauses of a duty that could not be done at all."""


class Duty(Protocol):
    """Something to do whenever it is due. It never runs twice at once."""

    @property
    def name(self) -> str:
        """In what is said."""

    @property
    def event(self) -> str:
        """What a failure of the whole duty is about; with another one it is tried again at once."""

    def due(self, now: datetime) -> bool:
        """Whether to run now. Asked at every poll, so it starts no process and asks nobody."""

    def run(self) -> None:
        """Do what is due. An error of one object is the duty's to contain; one that leaves here stopped all of it."""


class Runner:
    """Starts each duty when it is due, in a thread of its own: none waits for another.

    Args:
        duties: What to do.
        watch: What they look at.
        clock: Tells the time.
        failures: Where failures are said.
        threads: Runs the duties; with a thread for each.
    """

    def __init__(
        self, duties: Sequence[Duty], watch: Watch, clock: Clock, failures: FailureLog, threads: Executor
    ) -> None:
        self._duties = duties
        self._watch = watch
        self._clock = clock
        self._failures = failures
        self._threads = threads
        self._under_way: dict[str, tuple[str, Future[None]]] = {}
        self._throttle = Throttle(BROKEN, clock)

    def poll(self) -> None:
        """Look at each duty once, and start those that are due."""
        try:
            self._watch.look()
        except BigheadError as error:
            self._failures.say(WATCHING, "", str(error))
            return
        self._failures.over(WATCHING)
        for duty in self._duties:
            if self._at_rest(duty) and duty.due(self._clock.now()) and self._throttle.allows(duty.name, duty.event):
                self._under_way[duty.name] = (duty.event, self._threads.submit(duty.run))

    def _at_rest(self, duty: Duty) -> bool:
        """Whether it may be started; what came of its last run is noted on the way."""
        event, run = self._under_way.get(duty.name, ("", None))
        if run is None:
            return True
        if not run.done():
            return False
        del self._under_way[duty.name]
        error = run.exception()
        if error is None:
            self._throttle.succeeded(duty.name)
            self._failures.over(duty.name)
        else:
            self._throttle.failed(duty.name, event)
            self._failures.say(duty.name, "", _words(error))
        return True


def _words(error: BaseException) -> str:
    """An error as the log should have it: a fault of the engine with where it happened."""
    if isinstance(error, BigheadError):
        return str(error)
    return "".join(traceback.format_exception(error)).rstrip()
