"""`bighead runner`: on one laptop, what GitHub's workflows and a cluster's controllers are elsewhere.

It watches the bare repository and runs the same commands that workflows call. Everything it does is decided from git
and live state, so it can be killed and started again at any time:

- a pull request whose head has no finished `bighead/ci` status → `bighead ci N` (two at once)
- main moved → reconcile at once, then `bighead deliver`
- a model's process died → reconcile
- a canary is under way → advance
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable

import click

from bighead_ci import wiring
from bighead_ci.cli.output import EXIT_REFUSED, reports_errors, say
from bighead_ci.delivery.advance import advance
from bighead_ci.delivery.merging import CHECK
from bighead_ci.delivery.reconcile import PAUSE_SECONDS, reconcile
from bighead_ci.delivery.status import status
from bighead_ci.documents.base import write_atomically
from bighead_ci.documents.forge import PullRequest
from bighead_ci.errors import BigheadError
from bighead_ci.ports.progress import silent
from bighead_ci.processes import record, start_session
from bighead_ci.workspaces.finding import environment_of
from bighead_ci.workspaces.runner_process import end_jobs, only_runner

POLL_SECONDS = 0.1
RETRY_SECONDS = 5.0
CANARY_SECONDS = 1.0
SUPERVISE_SECONDS = 1.0
MAXIMUM_TRIES = 3
"""How often a check that ended in an error (not in a verdict) is tried on one head."""
PARALLEL_CHECKS = 2


class Runner:
    """One pass a poll; all state that must survive a restart is in git or in files under `runner`."""

    def __init__(self, context: wiring.LocalContext) -> None:
        self.context = context
        self.directory = context.workspace.runner
        self.checks: dict[tuple[int, str], subprocess.Popen[bytes]] = {}
        self.tries: dict[tuple[int, str], int] = {}
        self.delivery: tuple[str, subprocess.Popen[bytes]] | None = None
        self.seen = ""
        """The commit of main that the last reconciliation was about."""
        self.settled = False
        """Whether it left nothing to do."""
        self.next_reconciliation = 0.0
        self.failures: set[str] = set()
        """What was said last of models that cannot be brought to what main says."""
        self.last_trouble = ""
        self.next_canary = 0.0
        self.next_supervision = 0.0

    def once(self) -> None:
        """Look at everything once and start what is due."""
        main = self.context.repository.resolve("main")
        if main != self.seen or (not self.settled and time.monotonic() >= self.next_reconciliation):
            self.guard(lambda: self._reconcile(main))
        self._check_pull_requests()
        self._deliver(main)
        now = time.monotonic()
        if now >= self.next_canary:
            self.guard(self._advance)
            self.next_canary = time.monotonic() + CANARY_SECONDS
        if now >= self.next_supervision:
            self.guard(self._supervise)
            self.next_supervision = time.monotonic() + SUPERVISE_SECONDS

    def stop(self) -> None:
        """End what was started; it is run again by the next runner."""
        end_jobs(self.context.workspace)

    def guard(self, action: Callable[[], None]) -> None:
        """Run one duty; trouble is said once and does not keep the others from being done."""
        try:
            action()
            self.last_trouble = ""
        except BigheadError as error:
            if str(error) != self.last_trouble:
                say(str(error))
            self.last_trouble = str(error)

    def _reconcile(self, main: str) -> None:
        """One pass; the next follows soon while something starts, later after trouble, at once when main moves."""
        self.seen, self.settled = main, False
        self.next_reconciliation = time.monotonic() + SUPERVISE_SECONDS
        result = reconcile(self.context, say)
        self.settled = not (result.failed or result.starting)
        self.next_reconciliation = time.monotonic() + (PAUSE_SECONDS if result.starting else RETRY_SECONDS)
        failures = {
            f"{outcome.environment}/{outcome.model} stays as it was: {outcome.detail}"
            for outcome in result.outcomes
            if outcome.state == "failed"
        }
        for failure in sorted(failures - self.failures):
            say(failure)
        self.failures = failures

    def _advance(self) -> None:
        for step in advance(self.context, silent):
            if step.action != "waits":
                say(f"{step.environment}/{step.model}: {step.action}: {step.detail}")

    def _supervise(self) -> None:
        if self.settled and not status(self.context).in_step:
            self.settled = False

    def _check_pull_requests(self) -> None:
        for key, process in list(self.checks.items()):
            if process.poll() is not None:
                del self.checks[key]
                if process.returncode in {0, EXIT_REFUSED}:
                    self.tries.pop(key, None)  # a verdict: main may ask for another one on this head later
        for pull in self.context.forge.find(state="open"):
            key = (pull.number, pull.head)
            if key in self.checks or len(self.checks) >= PARALLEL_CHECKS or not self._due(pull):
                continue
            self.tries[key] = self.tries.get(key, 0) + 1
            say(f"#{pull.number}: checking {pull.head[:10]}")
            self.checks[key] = self._start(["ci", str(pull.number)], f"ci-{pull.number}")

    def _due(self, pull: PullRequest) -> bool:
        found = pull.status(CHECK)
        finished = found is not None and found.state in {"success", "failure"}
        return not finished and self.tries.get((pull.number, pull.head), 0) < MAXIMUM_TRIES

    def _deliver(self, main: str) -> None:
        marker = self.directory / "delivered"
        if self.delivery is not None:
            commit, process = self.delivery
            if process.poll() is None:
                return
            self.delivery = None
            if process.returncode in {0, 1, 2}:
                write_atomically(marker, commit.encode())
        since = marker.read_text().strip() if marker.exists() else self._first_commit(main)
        if since != main:
            process = self._start(["deliver", "--since", since], "deliver")
            self.delivery = (main, process)

    def _first_commit(self, main: str) -> str:
        return self.context.repository.log(main)[-1].id

    def _start(self, arguments: list[str], name: str) -> subprocess.Popen[bytes]:
        workspace = self.context.workspace
        process = start_session(
            [sys.executable, "-m", "bighead_ci", *arguments],
            log=self.directory / f"{name}.log",
            environment=environment_of(workspace),
            directory=workspace.state,
        )
        record(process.pid, workspace.jobs / f"{name}.json")
        return process


@click.command("runner")
@reports_errors
def runner_command() -> None:
    """Watch the local forge and run checks, deliveries, reconciliation and canary analysis until interrupted."""
    context = wiring.context()
    with only_runner(context.workspace):
        runner = Runner(context)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        say(f"watching {context.workspace.forge}")
        try:
            while True:
                runner.guard(runner.once)
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            pass
        finally:
            runner.stop()
