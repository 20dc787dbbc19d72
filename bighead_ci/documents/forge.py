"""Pull requests as any forge knows them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bighead_ci.documents.base import CommitId, Document, Moment

PullRequestState = Literal["open", "merged", "closed"]
StatusState = Literal["pending", "success", "failure", "error"]


class Comment(Document):
    """A comment that a marker identifies, so that it can be updated in place."""

    marker: str
    """What kind of comment it is: `report`, `analysis`. One comment a marker."""
    author: str
    body: str
    created_at: Moment
    updated_at: Moment


class Status(Document):
    """A check on the head commit."""

    context: str
    """`bighead/ci`, or `bighead/gate/<name>`."""
    state: StatusState
    description: str
    commit: CommitId


class Review(Document):
    """A person's word on a pull request, for one head commit."""

    author: str
    approved: bool
    commit: CommitId
    at: Moment


class PullRequest(Document):
    """One pull request, whole."""

    number: int
    title: str
    body: str
    author: str
    source: str
    """Branch."""
    target: str
    head: CommitId
    state: PullRequestState
    created_at: Moment
    labels: list[str] = Field(default_factory=list)
    comments: list[Comment] = Field(default_factory=list)
    statuses: list[Status] = Field(default_factory=list)
    """Newest per (commit, context)."""
    reviews: list[Review] = Field(default_factory=list)
    merge_commit: CommitId | None = None
    closed_reason: str = ""

    def comment(self, marker: str) -> Comment | None:
        """The comment with that marker."""
        return next((c for c in self.comments if c.marker == marker), None)

    def status(self, context: str) -> Status | None:
        """The check of that name on the present head."""
        return next((s for s in self.statuses if s.context == context and s.commit == self.head), None)

    def approvals(self) -> list[str]:
        """Who approves the present head, the author excepted; a later refusal by the same person counts."""
        latest = {r.author: r.approved for r in self.reviews if r.commit == self.head and r.author != self.author}
        return sorted(author for author, approved in latest.items() if approved)
