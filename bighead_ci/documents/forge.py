"""Pull requests as any forge knows them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bighead_ci.documents.base import CommitId, Document, Moment

BOT = "bighead-bot"
"""Who acts when no person does."""

PullRequestState = Literal["open", "merged", "closed"]
CheckState = Literal["pending", "success", "failure", "error"]
MAXIMUM_DESCRIPTION = 140
"""Characters of a check's description, on any forge."""


class Comment(Document):
    """A comment that a marker identifies, so that it can be updated in place."""

    marker: str
    """What kind of comment it is: `report`, `closed`. One comment a marker."""
    author: str
    body: str
    created_at: Moment
    updated_at: Moment


class Check(Document):
    """What something says of a commit; the newest of its name counts."""

    name: str
    """`bighead/ci`, or `bighead/gate/<model>/<version>/<gate>`."""
    commit: CommitId
    state: CheckState
    description: Annotated[str, StringConstraints(max_length=MAXIMUM_DESCRIPTION)]
    external_id: str = ""
    """What whoever set it wants to find again."""


class Review(Document):
    """A person's word on a pull request, for one head commit."""

    author: str
    approved: bool
    commit: CommitId
    at: Moment


class PullRequestSummary(Document):
    """One pull request as a list shows it."""

    number: int
    title: str
    author: str
    source: str
    """Branch."""
    target: str
    head: CommitId
    state: PullRequestState
    created_at: Moment
    labels: list[str] = Field(default_factory=list)
    merge_commit: CommitId | None = None
    url: str = ""
    """Where to look at it."""


class PullRequest(PullRequestSummary):
    """One pull request, whole."""

    body: str
    comments: list[Comment] = Field(default_factory=list)
    reviews: list[Review] = Field(default_factory=list)

    @property
    def summary(self) -> PullRequestSummary:
        """The same as a list shows it."""
        return PullRequestSummary(**{name: getattr(self, name) for name in PullRequestSummary.model_fields})

    def comment(self, marker: str) -> Comment | None:
        """The comment with that marker."""
        return next((c for c in self.comments if c.marker == marker), None)

    def approvals(self) -> list[str]:
        """Who approves the present head; a later refusal by the same person counts."""
        latest = {r.author: r.approved for r in self.reviews if r.commit == self.head}
        return sorted(author for author, approved in latest.items() if approved)
