"""Merges a pull request that the bot opened, after the same check that every pull request gets."""

from __future__ import annotations

from bighead_ci.delivery.context import BOT, Context
from bighead_ci.documents.forge import PullRequest

CHECK = "bighead/ci"
"""The one check that must pass before any merge; gates have a check each beside it."""

APPROVALS_LABEL = "bighead/approvals/"
"""With a number: how many people must approve. Set when a release's pull request is opened; others need one."""


def required_approvals(pull: PullRequest) -> int:
    """How many people must approve a pull request before it may be merged; the forge enforces it."""
    numbers = [label.removeprefix(APPROVALS_LABEL) for label in pull.labels if label.startswith(APPROVALS_LABEL)]
    return max((int(number) for number in numbers if number.isdigit()), default=1)


def merge_own(context: Context, pull: PullRequest, base: str) -> PullRequest:
    """Merge a pull request whose change the caller has just judged, on the base it judged.

    The release branch is one commit on top of `base`: were main to have moved in the release's file since, git refuses
    the merge, and the next pass starts from the new main.
    """
    if pull.state == "merged":
        return pull
    context.forge.set_status(pull.number, CHECK, "success", f"judged on {base[:10]}", pull.head)
    return context.forge.merge(pull.number, pull.head, BOT)
