"""Which finished checks no longer say anything, because main changed what they were judged by."""

from __future__ import annotations

from bighead_ci.definitions.files import Files, place_of
from bighead_ci.delivery.approvals import set_approvals
from bighead_ci.delivery.checks import CI, find_check
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.failures import Failures
from bighead_ci.delivery.history import release_in
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.proposal import Proposal
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.errors import InputError
from bighead_ci.planning.releases import is_later_step
from bighead_ci.planning.verdict_inputs import touched, verdict_inputs
from bighead_ci.ports.progress import Progress

WORDS = "main changed what this was judged by: to be checked again"


def outdated_by(proposal: Proposal, judged_on: str) -> list[str]:
    """What main changed, since the commit that a proposal was judged on, of what the verdict rests on; sorted.

    A proposal that main no longer allows, or conflicts with, is outdated by everything that main changed.
    """
    main = proposal.main
    if judged_on == main.commit:
        return []
    try:
        changed = proposal.context.repository.changed_paths(judged_on or main.commit, main.commit)
    except InputError:
        return [f"the commit {judged_on!r}, which is not there"]
    try:
        found = touched(verdict_inputs(proposal.plan, Files(proposal.tree)), changed)
    except InputError:
        return changed
    own = {file.path for file in proposal.plan.files}
    return [path for path in found if path in own or not _is_canary_step(proposal, judged_on, path)]


def _is_canary_step(proposal: Proposal, judged_on: str, path: str) -> bool:
    """Whether all that main did to a release was to go on with its canary: what serves there serves there still."""
    place, main = place_of(path), proposal.main
    if place is None or place.kind != "release":
        return False
    trees = (proposal.context.repository.tree(judged_on), main.tree)
    before, after = (release_in(tree, place.of, place.name) for tree in trees)
    return before is not None and after is not None and is_later_step(before, after)


def rerequest(context: Context, pull: PullRequestSummary, touched_paths: list[str]) -> None:
    """Take back a verdict; whoever runs the checks runs them again."""
    context.forge.set_check(pull.head, CI, "pending", f"{WORDS} ({', '.join(touched_paths)})")


def ask_again(context: Context, main: Main, progress: Progress, failures: Failures) -> None:
    """Take back the verdict of each open pull request that main outdated, and count its approvals against this main."""
    for pull in context.forge.find("open"):
        with failures.contain(f"#{pull.number}"):
            _ask_again(context, pull, main, progress)


def _ask_again(context: Context, pull: PullRequestSummary, main: Main, progress: Progress) -> None:
    found = find_check(context.forge, pull.head, CI)
    if pull.target != main.branch or found is None or found.state not in {"success", "failure"}:
        return
    if found.external_id == main.commit:
        return
    if paths := outdated_by(Proposal(context, pull, main), found.external_id):
        progress(f"#{pull.number}: {WORDS}")
        rerequest(context, pull, paths)
    set_approvals(context, pull, main)
