"""The runner of a workspace and its duties."""

from __future__ import annotations

from concurrent.futures import Executor

from pydantic import ValidationError

from bighead_ci.delivery.status import NO_REASONS, Reasons
from bighead_ci.git.ref_watch import RefWatch
from bighead_ci.ports.progress import Progress
from bighead_ci.runner.canaries import Canaries
from bighead_ci.runner.checks import PullRequestChecks
from bighead_ci.runner.deliveries import Deliveries
from bighead_ci.runner.duty import Duty, Runner
from bighead_ci.runner.failure_log import FailureLog
from bighead_ci.runner.online_features import OnlineFeatures
from bighead_ci.runner.reconciliation import REASONS_FILE, Reconciliation
from bighead_ci.runner.watch import Watch
from bighead_ci.wiring.contexts import context_of
from bighead_ci.workspaces.commands import WorkspaceCommands
from bighead_ci.workspaces.layout import Workspace


def runner(workspace: Workspace, threads: Executor, say: Progress) -> Runner:
    """All duties of a workspace; each has a context of its own, so that they share nothing but files."""
    here, commands, failures = context_of(workspace), WorkspaceCommands(workspace), FailureLog(say)
    watch = Watch(here.repository, RefWatch(workspace.forge))
    duties: list[Duty] = [
        Reconciliation(context_of(workspace), watch, workspace.runner, failures, say),
        PullRequestChecks(context_of(workspace), watch, commands, workspace.runner, failures, say),
        Deliveries(context_of(workspace), watch, commands, workspace.runner, failures, say),
        OnlineFeatures(context_of(workspace), watch, commands, failures, say),
        Canaries(context_of(workspace), watch, failures, say),
    ]
    return Runner(duties, watch, here.clock, failures, threads)


def reasons(workspace: Workspace) -> Reasons:
    """What the runner of a workspace could not do lately; none where it wrote nothing, or another engine did."""
    try:
        return Reasons.read(workspace.runner / REASONS_FILE)
    except (FileNotFoundError, ValidationError):
        return NO_REASONS
