"""Merges pull requests: what was judged is what is merged, or it is judged again."""

from __future__ import annotations

from bighead_ci.delivery.approvals import set_approvals
from bighead_ci.delivery.checks import CI, find_check
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.outdated import outdated_by, rerequest
from bighead_ci.delivery.proposal import Proposal
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.errors import RetryError

ATTEMPTS = 5
"""How often a merge is tried while others merge, too."""


def merge_pull_request(context: Context, number: int, head: str | None = None) -> PullRequestSummary:
    """Merge a pull request if its verdict still stands; else ask for a new one.

    Args:
        context: Ports, for whoever merges.
        number: Which.
        head: Only if its head is this commit; None: whatever its head is now.

    Raises:
        InputError: a required check is missing or has failed, or it conflicts with main.
        RetryError: main touched what the verdict rests on, so it is being checked again; or the head moved.
    """
    pull = context.forge.get(number).summary
    wanted = pull.head if head is None else head
    for attempt in range(ATTEMPTS):
        main = context.main(pull.target)
        if pull.state == "open" and pull.head == wanted:
            _insist_on_verdict(context, pull, main)
            set_approvals(context, pull, main)
        try:
            return context.forge.merge(number, wanted, onto=main.commit)
        except RetryError:
            if attempt + 1 == ATTEMPTS or context.main(pull.target).commit == main.commit:
                raise
    raise RetryError(f"#{number}: others merged first {ATTEMPTS} times; try again")


def _insist_on_verdict(context: Context, pull: PullRequestSummary, main: Main) -> None:
    found = find_check(context.forge, pull.head, CI)
    if found is not None and found.state == "success":
        touched = outdated_by(Proposal(context, pull, main), found.external_id)
        if touched:
            rerequest(context, pull, touched)
            raise RetryError(
                f"#{pull.number}: main changed {', '.join(touched[:3])} since it was judged; it is being checked again"
            )


def merge_judged(context: Context, pull: PullRequestSummary, main: Main) -> PullRequestSummary:
    """Merge a pull request whose change the caller has just judged itself, on the main that it looked at.

    Raises:
        RetryError: main touched meanwhile what the verdict rests on; the next pass starts from there.
    """
    if pull.state == "merged":
        return pull
    context.forge.set_check(pull.head, CI, "success", f"judged on {main.commit[:10]}", external_id=main.commit)
    return merge_pull_request(context, pull.number, pull.head)
