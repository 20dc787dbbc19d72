"""Pauses between tries of what failed: they grow for each object by itself, and end with a new event."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from bighead_ci.documents.base import Document, Moment
from bighead_ci.ports.clock import Clock


@dataclass(frozen=True)
class Backoff:
    """How long to wait after the first failure, and the longest; each pause is twice the one before."""

    first: timedelta
    longest: timedelta

    def pause(self, failures: int) -> timedelta:
        """The pause after that many failures in a row."""
        doublings: int = 1 << min(failures - 1, 30)  # no overflow: that is longer than any `longest`
        return min(self.longest, self.first * doublings)


class FailedTries(Document):
    """What is remembered of an object that failed."""

    event: str
    """What it was tried on: a head, a commit of main. With another one it may be tried at once."""
    count: int
    """In a row, on that event."""
    last: Moment
    given_up: bool = False
    """Nothing but a new event helps."""


class _Memory(Document):
    objects: dict[str, FailedTries]


class Throttle:
    """Which objects may be tried now. Used by one thread.

    Args:
        backoff: How the pauses grow.
        clock: Tells the time; one that is set back makes nothing wait longer than its pause.
        file: Where failures are kept, so that a restart does not forget them; None: in memory only.
    """

    def __init__(self, backoff: Backoff, clock: Clock, file: Path | None = None) -> None:
        self._backoff = backoff
        self._clock = clock
        self._file = file
        self._failures = _read(file)

    def allows(self, name: str, event: str) -> bool:
        """Whether an object may be tried on an event now."""
        wait = self.until(name, event)
        return wait is not None and wait <= self._clock.now()

    def until(self, name: str, event: str) -> datetime | None:
        """When an object may be tried on an event, which may be in the past; None: not on this one any more."""
        found = self._failures.get(name)
        now = self._clock.now()
        if found is None or found.event != event or found.last > now:
            return now
        return None if found.given_up else found.last + self._backoff.pause(found.count)

    def failed(self, name: str, event: str, tries: int | None = None) -> FailedTries:
        """Count a failure; the object is given up once an event has had as many as `tries`."""
        before = self._failures.get(name)
        count = before.count + 1 if before is not None and before.event == event else 1
        given_up = tries is not None and count >= tries
        found = FailedTries(event=event, count=count, last=self._clock.now(), given_up=given_up)
        self._failures[name] = found
        self._write()
        return found

    def succeeded(self, name: str) -> None:
        """Forget an object's failures."""
        if self._failures.pop(name, None) is not None:
            self._write()

    def keep_only(self, names: Collection[str]) -> None:
        """Forget objects that are gone."""
        gone = self._failures.keys() - set(names)
        for name in gone:
            del self._failures[name]
        if gone:
            self._write()

    def _write(self) -> None:
        if self._file is not None:
            _Memory(objects=self._failures).write(self._file)


def _read(file: Path | None) -> dict[str, FailedTries]:
    """What an earlier runner remembered; nothing if it cannot be read, for trying once more does no harm."""
    try:
        return dict(_Memory.read(file).objects) if file is not None else {}
    except (OSError, ValidationError):
        return {}
