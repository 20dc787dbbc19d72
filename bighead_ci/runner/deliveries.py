"""The duty to deliver after a merge, by `bighead deliver` in a process of its own."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from bighead_ci.delivery.context import Context
from bighead_ci.documents.base import write_atomically
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.repository import MAIN
from bighead_ci.runner.backoff import Backoff, Throttle
from bighead_ci.runner.commands import Advice, Command, Commands, advice
from bighead_ci.runner.failure_log import FailureLog
from bighead_ci.runner.watch import Watch

BACKOFF = Backoff(first=timedelta(seconds=5), longest=timedelta(minutes=5))
LOG = "deliver"
WORDS: dict[Advice, str] = {
    "mend": "something must be mended",
    "retry": "to be tried again",
    "report": "a fault of the engine, to be reported",
}


class Deliveries:
    """Delivers what main holds; the marker, a commit, says up to where that succeeded."""

    name = "delivery"

    def __init__(
        self, context: Context, watch: Watch, commands: Commands, directory: Path, failures: FailureLog, say: Progress
    ) -> None:
        self._context = context
        self._watch = watch
        self._commands = commands
        self._failures = failures
        self._say = say
        self._marker = directory / "delivered"
        self._throttle = Throttle(BACKOFF, context.clock, directory / "deliveries.json")
        self._under_way: tuple[str, Command] | None = None
        self._delivered = self._marker.read_text().strip() if self._marker.exists() else ""

    @property
    def event(self) -> str:
        """A merge may be what helps."""
        return self._watch.main

    def due(self, now: datetime) -> bool:  # noqa: ARG002 - the throttle knows the time
        """A delivery ended; or main is not delivered, and no pause is under way."""
        if self._under_way is not None:
            return self._under_way[1].exit_code() is not None
        main = self._watch.main
        return main not in {"", self._delivered} and self._throttle.allows(MAIN, main)

    def run(self) -> None:
        """Note what ended, and start what is due."""
        if self._under_way is not None:
            (commit, command), self._under_way = self._under_way, None
            self._ended(commit, command.exit_code() or 0)
        if self.due(self._context.clock.now()):
            main = self._watch.main
            since = self._delivered or self._context.repository.log(main)[-1].id
            self._say(f"main {main[:10]}: delivering")
            self._under_way = (main, self._commands.start(LOG, ["deliver", "--since", since]))

    def _ended(self, commit: str, code: int) -> None:
        if code == 0:
            write_atomically(self._marker, f"{commit}\n".encode())
            self._delivered = commit
            self._throttle.succeeded(MAIN)
            self._failures.over(self.name, MAIN)
            return
        self._throttle.failed(MAIN, commit)
        words = WORDS.get(advice(code), "it said no")
        text = f"{commit[:10]} is not delivered (exit code {code}), {words}: {self._commands.log_of(LOG)}"
        self._failures.say(self.name, MAIN, text)
