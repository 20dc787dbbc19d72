"""Pull requests as any forge knows them."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bighead_ci.documents.base import CommitId, Document, Moment

BOT = "bighead-bot"
"""Who acts when no person does."""

PullRequestState = Literal["open", "merged", "closed"]
CheckState = Literal["pending", "success", "failure", "error"]
MAXIMUM_DESCRIPTION = 140
"""Characters of a check's description, on any forge."""


def person(identity: str) -> str:
    """An identity as it is compared: who somebody is depends on no case, accent form, space, address or hidden sign."""
    name = re.sub(r"<[^<>]*>\s*$", "", identity.strip()) or identity
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    # Format characters (zero-width spaces, direction marks) and controls show nothing: a name with them looks the same.
    shown = "".join(" " if sign.isspace() else sign for sign in folded if unicodedata.category(sign) != "Cf")
    return " ".join(shown.split())


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
        """Who approves the present head, each person once; their last word counts."""
        return sorted(review.author for review in self.last_words() if review.approved)

    def last_words(self) -> list[Review]:
        """The last review of the present head by each person, in the order of their first."""
        return list({person(r.author): r for r in self.reviews if r.commit == self.head}.values())
