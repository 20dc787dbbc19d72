"""The duty to keep online features those of main, by `bighead features materialize --stale` in a process of its own."""

from __future__ import annotations

from datetime import datetime, timedelta

from bighead_ci.delivery.context import Context
from bighead_ci.delivery.online_sets import features_digest
from bighead_ci.ports.progress import Progress
from bighead_ci.runner.backoff import Backoff, Throttle
from bighead_ci.runner.commands import Command, Commands
from bighead_ci.runner.failure_log import FailureLog
from bighead_ci.runner.watch import Watch

BACKOFF = Backoff(first=timedelta(seconds=5), longest=timedelta(minutes=5))
LOG = "materialize"
_ALL = "feature sets"


class OnlineFeatures:
    """Has stale sets materialised when main's features or data change, and once when the runner starts."""

    name = "online features"

    def __init__(self, context: Context, watch: Watch, commands: Commands, failures: FailureLog, say: Progress) -> None:
        self._context = context
        self._watch = watch
        self._commands = commands
        self._failures = failures
        self._say = say
        self._throttle = Throttle(BACKOFF, context.clock)
        self._seen = ""
        """The commit of main that `_wanted` is of."""
        self._wanted = ""
        """Digest of the features and the data of main."""
        self._done = ""
        """The same, of what was materialised last."""
        self._under_way: tuple[str, Command] | None = None

    @property
    def event(self) -> str:
        """A merge may be what helps."""
        return self._watch.main

    def due(self, now: datetime) -> bool:  # noqa: ARG002 - the throttle knows the time
        """The command ended; main moved; or its features are not what was materialised, and no pause is under way."""
        if self._under_way is not None:
            return self._under_way[1].exit_code() is not None
        moved = self._watch.main not in {"", self._seen}
        return moved or (self._wanted != self._done and self._throttle.allows(_ALL, self._wanted))

    def run(self) -> None:
        """Note what ended, and start what is due."""
        if self._under_way is not None:
            (wanted, command), self._under_way = self._under_way, None
            self._ended(wanted, command.exit_code() or 0)
        if self._watch.main != self._seen:
            main = self._context.main()
            self._wanted, self._seen = features_digest(main.tree), main.commit
        if self._wanted != self._done and self._throttle.allows(_ALL, self._wanted):
            arguments = ["features", "materialize", "--stale"]
            self._under_way = (self._wanted, self._commands.start(LOG, arguments))

    def _ended(self, wanted: str, code: int) -> None:
        if code == 0:
            if self._done:
                self._say("online features are those of main")
            self._done = wanted
            self._throttle.succeeded(_ALL)
            self._failures.over(self.name, _ALL)
            return
        self._throttle.failed(_ALL, wanted)
        text = (
            f"some are not materialised (exit code {code}), `bighead status` says which: {self._commands.log_of(LOG)}"
        )
        self._failures.say(self.name, _ALL, text)
