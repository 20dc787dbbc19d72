"""Where pull requests live."""

from __future__ import annotations

from typing import Protocol

from bighead_ci.documents.forge import Check, CheckState, PullRequest, PullRequestState, PullRequestSummary


class Forge(Protocol):
    """What a pull request flow needs, as one identity: whoever opened, commented, reviewed or merged is that one.

    Every call is safe to repeat.

    Raises:
        InputError: no such pull request, branch or commit, a conflict, a merge that the rules forbid.
        RetryError: somebody else changed the same thing first; read again and repeat.
    """

    @property
    def identity(self) -> str:
        """Who acts."""

    def open(
        self,
        source: str,
        target: str,
        title: str,
        body: str,
        labels: tuple[str, ...] = (),
        head: str | None = None,
    ) -> PullRequestSummary:
        """Open a pull request; one that is open for that source and target gets the new text and is returned.

        `head`: what the text is about. Where the source is at another commit, nothing is changed and RetryError raised.
        """

    def get(self, number: int) -> PullRequest:
        """One pull request; `head` follows its branch while it is open."""

    def find(
        self,
        state: PullRequestState | None = None,
        label: str | None = None,
        source: str | None = None,
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[PullRequestSummary]:
        """Pull requests, newest first; page by page with `before` (a number) and `limit`.

        One that cannot be read is passed over; `problems` names it.
        """

    def problems(self) -> list[str]:
        """Why pull requests that are there cannot be read, one line each."""

    def repair(self) -> list[str]:
        """Make every pull request readable or put it aside, losing nothing; a line for each that was not."""

    def update(
        self, number: int, title: str | None = None, body: str | None = None, labels: tuple[str, ...] | None = None
    ) -> PullRequestSummary:
        """Change title, body or labels."""

    def contributors(self, number: int) -> set[str]:
        """Who made or pushed what the pull request brings: the commits that the target lacks."""

    def comment(self, number: int, marker: str, body: str) -> None:
        """Post the comment of that marker, or update it in place."""

    def review(self, number: int, *, approved: bool) -> None:
        """Approve or refuse the present head; nobody reviews a pull request of their own."""

    def set_check(self, commit: str, name: str, state: CheckState, description: str, external_id: str = "") -> None:
        """Say something of a commit; a longer description than a forge keeps is cut."""

    def checks(self, commit: str) -> list[Check]:
        """What is said of a commit: the newest of each name, by name; nothing where it cannot be read."""

    def merge(self, number: int, head: str, onto: str | None = None) -> PullRequestSummary:
        """Merge if the head is still that commit, and the target still `onto` if given; refuses on conflict.

        Merging a merged one returns it unchanged.
        """

    def close(self, number: int) -> PullRequestSummary:
        """Close without merging; why is a comment's to say."""
