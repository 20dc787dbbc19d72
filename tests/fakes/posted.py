"""What people see on a pull request."""

from __future__ import annotations

from bighead_ci.delivery.post import REPORT
from bighead_ci.documents.forge import PullRequestSummary
from fakes.context import FakeContext


def statuses(context: FakeContext, pull: PullRequestSummary) -> dict[str, str]:
    """Check → state, on the present head."""
    now = context.forge.get(pull.number)
    return {check.name: check.state for check in context.forge.checks(now.head)}


def comment(context: FakeContext, pull: PullRequestSummary) -> str:
    """The one comment."""
    comments = context.forge.get(pull.number).comments
    assert [one.marker for one in comments] == [REPORT]
    return comments[0].body
