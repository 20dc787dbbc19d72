"""Where pull requests live."""

from __future__ import annotations

from typing import Protocol

from bighead_ci.documents.forge import PullRequest, PullRequestState, StatusState


class Forge(Protocol):
    """What a pull request flow needs. Every call is safe to repeat.

    Raises:
        InputError: no such pull request or branch, a conflict, a merge that the rules forbid.
        RetryError: somebody else changed the same thing first; read again and repeat.
    """

    def open(
        self,
        source: str,
        target: str,
        title: str,
        body: str,
        author: str,
        labels: tuple[str, ...] = (),
        head: str | None = None,
    ) -> PullRequest:
        """Open a pull request; one that is open for that source and target gets the new text and is returned.

        `head`: what the text is about. Where the source is at another commit, nothing is changed and RetryError raised.
        """

    def get(self, number: int) -> PullRequest:
        """One pull request; `head` follows its branch while it is open."""

    def find(self, state: PullRequestState | None = None, label: str | None = None) -> list[PullRequest]:
        """Pull requests, oldest first."""

    def update(
        self, number: int, title: str | None = None, body: str | None = None, labels: tuple[str, ...] | None = None
    ) -> PullRequest:
        """Change title, body or labels."""

    def comment(self, number: int, marker: str, body: str, author: str) -> PullRequest:
        """Post the comment of that marker, or update it in place."""

    def set_status(self, number: int, context: str, state: StatusState, description: str, commit: str) -> PullRequest:
        """Set a check on a commit."""

    def review(self, number: int, author: str, approved: bool) -> PullRequest:
        """Approve or refuse the present head."""

    def merge(self, number: int, head: str, author: str) -> PullRequest:
        """Merge if the head is still that commit; refuses on conflict. Merging a merged one returns it unchanged."""

    def close(self, number: int, reason: str) -> PullRequest:
        """Close without merging."""
