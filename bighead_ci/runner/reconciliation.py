"""The duty to bring every environment to what main says, and to notice when something that runs is not so any more."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from bighead_ci.delivery.context import Context
from bighead_ci.delivery.reconcile import PAUSE_SECONDS, Outcome, place_name, reconcile
from bighead_ci.delivery.status import Reasons, model_statuses
from bighead_ci.delivery.workers import Place, Workers
from bighead_ci.ports.platform import Platform
from bighead_ci.ports.progress import Progress
from bighead_ci.runner.backoff import Backoff, Throttle
from bighead_ci.runner.failure_log import FailureLog
from bighead_ci.runner.watch import Watch

STARTING = timedelta(seconds=PAUSE_SECONDS)
"""Between two passes while something starts."""
PULSE = timedelta(seconds=1)
"""Between two looks whether a process ended."""
PROBE = timedelta(seconds=15)
"""Between two comparisons of all that runs with what main says."""
PATIENCE_SECONDS = 0.25
"""How long a pass waits for what takes long; it goes on beside the next ones."""
REASONS_FILE = "reasons.json"
"""Why what differs stays so: for `status`, which runs in another process."""
BACKOFF = Backoff(first=timedelta(seconds=1), longest=timedelta(minutes=1))


class Reconciliation:
    """A pass when main moves, while something starts, when a pause of what failed ends, and when something differs."""

    name = "reconciliation"

    def __init__(self, context: Context, watch: Watch, directory: Path, failures: FailureLog, say: Progress) -> None:
        self._context = context
        self._reasons_file = directory / REASONS_FILE
        self._watch = watch
        self._failures = failures
        self._say = say
        self._workers: Workers[Outcome] = Workers(PATIENCE_SECONDS)
        self._throttle = Throttle(BACKOFF, context.clock)
        self._seen = ""
        """The commit of main that the last pass was about."""
        self._failed: dict[Place, str] = {}
        """What the last try of each place that failed ended with."""
        self._platforms: dict[str, Platform] = {}
        self._ended: frozenset[str] = frozenset()
        """Processes that had ended at the last look."""
        self._next_pass: datetime | None = None
        self._next_pulse = self._next_probe = context.clock.now()

    @property
    def event(self) -> str:
        """A merge may be what helps."""
        return self._watch.main

    def due(self, now: datetime) -> bool:
        """Main moved, or it is time for a pass or a look."""
        moved = self._watch.main != self._seen
        passes = self._next_pass is not None and self._next_pass <= now
        return bool(self._watch.main) and (moved or passes or min(self._next_pulse, self._next_probe) <= now)

    def run(self) -> None:
        """Look, and make a pass if there is something to do."""
        now = self._context.clock.now()
        passes = self._next_pass is not None and self._next_pass <= now
        if self._watch.main != self._seen or passes or self._differs(now):
            self._pass(self._watch.main)

    def _differs(self, now: datetime) -> bool:
        """Whether a process ended, or something that runs is not what main says; the second is asked rarely."""
        ended = self._look()
        self._next_pulse = now + PULSE
        if ended == self._ended and now < self._next_probe:
            return False
        self._ended = ended
        self._next_probe = now + PROBE
        return any(model.differences for model in model_statuses(self._context, self._context.main()))

    def _look(self) -> frozenset[str]:
        ended = [(environment, platform.ended()) for environment, platform in self._platforms.items()]
        return frozenset(f"{environment}/{name}" for environment, names in ended for name in names)

    def _pass(self, main: str) -> None:
        paused = {place for place in self._failed if not self._throttle.allows(place_name(place), main)}
        result = reconcile(self._context, self._say, skip=paused, workers=self._workers)
        self._seen = result.commit
        before, self._failed = self._failed, {place: self._failed[place] for place in paused}
        for outcome in result.outcomes:
            self._note(outcome, result.commit)
        if self._failed != before or not self._reasons_file.exists():
            Reasons.of(self._failed).write(self._reasons_file)
        self._throttle.keep_only([place_name(place) for place in self._failed])
        self._failures.keep_only(self.name, [place_name(place) for place in self._failed])
        now = self._context.clock.now()
        pauses = [self._throttle.until(place_name(place), result.commit) for place in self._failed]
        moving = any(outcome.state in {"starting", "changed"} for outcome in result.outcomes)
        pauses += [now + STARTING] if moving else []
        self._next_pass = min((end for end in pauses if end is not None), default=None)
        defined = self._context.main().desired.environments
        self._platforms = {name: self._context.platform(name, one) for name, one in defined.items()}
        self._ended = self._look()
        self._next_pulse, self._next_probe = now + PULSE, now + PROBE

    def _note(self, outcome: Outcome, commit: str) -> None:
        if outcome.state != "failed":
            return
        self._failed[outcome.environment, outcome.model] = outcome.detail
        self._throttle.failed(outcome.where, commit)
        self._failures.say(self.name, outcome.where, f"stays as it was: {outcome.detail}")
