"""The duty to advance releases that are under way: canaries step by step."""

from __future__ import annotations

from datetime import datetime, timedelta

from bighead_ci.delivery.advance import advance
from bighead_ci.delivery.context import Context
from bighead_ci.ports.progress import Progress, silent
from bighead_ci.runner.backoff import Backoff, Throttle
from bighead_ci.runner.failure_log import FailureLog
from bighead_ci.runner.watch import Watch

EVERY = timedelta(seconds=1)
STANDBY_EVERY = timedelta(seconds=15)
"""Where all releases that are under way have only an old variant to retire."""
BACKOFF = Backoff(first=timedelta(seconds=1), longest=timedelta(minutes=1))


class Canaries:
    """Looks at each release of several variants, once a second while there is a canary; none, nothing is done."""

    name = "canaries"

    def __init__(self, context: Context, watch: Watch, failures: FailureLog, say: Progress) -> None:
        self._context = context
        self._watch = watch
        self._failures = failures
        self._say = say
        self._throttle = Throttle(BACKOFF, context.clock)
        self._read = ""
        """The commit of main that the canaries are of."""
        self._places: list[tuple[str, str]] = []
        self._every = EVERY
        self._last: datetime | None = None

    @property
    def event(self) -> str:
        """A merge may be what helps."""
        return self._watch.main

    def due(self, now: datetime) -> bool:
        """Main moved; or a canary is under way, and a second is over."""
        if self._watch.main != self._read:
            return bool(self._watch.main)
        return bool(self._places) and (self._last is None or not self._last <= now < self._last + self._every)

    def run(self) -> None:
        """Look at each canary; a failure of one keeps no other from its step."""
        main = self._watch.main
        if main != self._read:
            self._places, self._every = self._under_way()
            self._read = main
            names = ["/".join(place) for place in self._places]
            self._throttle.keep_only(names)
            self._failures.keep_only(self.name, names)
        self._last = self._context.clock.now()
        for environment, model in self._places:
            self._advance(environment, model, main)

    def _under_way(self) -> tuple[list[tuple[str, str]], timedelta]:
        placed = self._context.main().desired.releases
        releases = {place: one.release for place, one in placed.items() if len(one.release.variants) > 1}
        canary = any(release.candidate is not None for release in releases.values())
        return sorted(releases), EVERY if canary else STANDBY_EVERY

    def _advance(self, environment: str, model: str, main: str) -> None:
        name = f"{environment}/{model}"
        if not self._throttle.allows(name, main):
            return
        done = advance(self._context, silent, only=(environment, model))
        for step in done.steps:
            if step.action != "waits":
                self._say(f"{name}: {step.action}: {step.detail}")
        for failure in done.failures:
            self._throttle.failed(name, main)
            self._failures.say(self.name, name, failure.message)
        if not done.failures:
            self._throttle.succeeded(name)
            self._failures.over(self.name, name)
