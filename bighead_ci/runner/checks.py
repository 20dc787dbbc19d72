"""The duty to check pull requests: each open head gets its verdict, by `bighead ci` in processes of their own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bighead_ci.delivery.checks import CI, find_check
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.outdated import WORDS
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.errors import BigheadError, InputError
from bighead_ci.ports.progress import Progress
from bighead_ci.runner.backoff import Backoff, Throttle
from bighead_ci.runner.commands import REFUSED, Command, Commands, advice
from bighead_ci.runner.failure_log import FailureLog
from bighead_ci.runner.watch import Watch

PARALLEL = 2
"""Checks at once."""
BACKOFF = Backoff(first=timedelta(seconds=5), longest=timedelta(minutes=5))
TRIES = 3
"""How often a head is checked whose check ends in something else than a verdict or `try again later`."""


@dataclass(frozen=True)
class _Check:
    number: int
    head: str
    command: Command


class PullRequestChecks:
    """Starts a check for each open pull request whose head has none that is finished."""

    name = "checks"

    def __init__(
        self, context: Context, watch: Watch, commands: Commands, directory: Path, failures: FailureLog, say: Progress
    ) -> None:
        self._context = context
        self._watch = watch
        self._commands = commands
        self._failures = failures
        self._say = say
        self._throttle = Throttle(BACKOFF, context.clock, directory / "checks.json")
        self._under_way: list[_Check] = []
        self._seen = 0
        self._next: datetime | None = None
        """When a pause ends."""

    @property
    def event(self) -> str:
        """Any change of a ref may be what helps."""
        return str(self._watch.changes)

    def due(self, now: datetime) -> bool:
        """A ref moved, a check ended, or a pause did."""
        ended = any(check.command.exit_code() is not None for check in self._under_way)
        return ended or self._watch.changes != self._seen or (self._next is not None and self._next <= now)

    def run(self) -> None:
        """Note what ended, and start what is due."""
        changes = self._watch.changes
        pulls = {pull.number: pull for pull in reversed(self._context.forge.find("open"))}
        for check in [check for check in self._under_way if check.command.exit_code() is not None]:
            self._under_way.remove(check)
            self._ended(check, pulls.get(check.number))
        self._throttle.keep_only([_name(number) for number in pulls])
        self._failures.keep_only(self.name, [_name(number) for number in pulls])
        waiting = [pull for pull in pulls.values() if not self._finished(pull) and not self._is_under_way(pull)]
        for pull in waiting:
            if len(self._under_way) < PARALLEL and self._throttle.allows(_name(pull.number), pull.head):
                self._start(pull)
        self._next = self._next_pause([pull for pull in waiting if not self._is_under_way(pull)])
        self._seen = changes

    def _start(self, pull: PullRequestSummary) -> None:
        self._say(f"#{pull.number}: checking {pull.head[:10]}")
        command = self._commands.start(_log(pull.number), ["ci", str(pull.number)])
        self._under_way.append(_Check(pull.number, pull.head, command))

    def _ended(self, check: _Check, pull: PullRequestSummary | None) -> None:
        name = _name(check.number)
        if pull is None or pull.head != check.head or self._finished(pull):
            self._throttle.succeeded(name)
            self._failures.over(self.name, name)
            return
        code = check.command.exit_code() or 0
        # Done without a verdict: main went on meanwhile, which is no fault of the head. A refusal leaves its verdict;
        # an interpreter that crashes has the same exit code and leaves none.
        asks = "done" if self._taken_back(pull, code) else "report" if code == REFUSED else advice(code)
        failures = self._throttle.failed(name, check.head, TRIES if asks in {"mend", "report"} else None)
        then = "no more until its head moves" if failures.given_up else "to be tried again"
        log = self._commands.log_of(_log(check.number))
        self._failures.say(self.name, name, f"no verdict (exit code {code}), {then}: {log}")
        if asks != "done":
            self._show(check, code, given_up=failures.given_up)

    def _show(self, check: _Check, code: int, *, given_up: bool) -> None:
        """Where people look: a check that ended without a verdict is not running, whatever it said when it began."""
        name = _name(check.number)
        then = f"run `bighead ci {check.number}`, or push again" if given_up else "it is tried again"
        words = f"ended without a verdict (exit code {code}); {then}"
        try:
            self._context.forge.set_check(check.head, CI, "error" if given_up else "pending", words)
        except BigheadError as error:
            self._failures.say(self.name, name, f"its check cannot be set: {error}")

    def _finished(self, pull: PullRequestSummary) -> bool:
        found = find_check(self._context.forge, pull.head, CI)
        return found is not None and found.state in {"success", "failure"}

    def _taken_back(self, pull: PullRequestSummary, code: int) -> bool:
        """Whether the check ended in a verdict that says no, which main outdated at once."""
        found = find_check(self._context.forge, pull.head, CI)
        return code in {REFUSED, InputError.exit_code} and found is not None and found.description.startswith(WORDS)

    def _is_under_way(self, pull: PullRequestSummary) -> bool:
        """Whether a check of it runs, on whatever head: it is waited for."""
        return any(check.number == pull.number for check in self._under_way)

    def _next_pause(self, waiting: list[PullRequestSummary]) -> datetime | None:
        """When the first of those that wait for a pause may be tried; the others wait for a check that ends."""
        now = self._context.clock.now()
        ends = [self._throttle.until(_name(pull.number), pull.head) for pull in waiting]
        return min((end for end in ends if end is not None and end > now), default=None)


def _name(number: int) -> str:
    return f"#{number}"


def _log(number: int) -> str:
    return f"ci-{number}"
