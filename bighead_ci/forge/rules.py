"""What every forge of ours decides alike: how a pull request changes, and what a merge must have. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import datetime

from bighead_ci.documents.forge import (
    MAXIMUM_DESCRIPTION,
    Check,
    CheckState,
    Comment,
    PullRequest,
    Review,
    person,
)
from bighead_ci.errors import InputError, Problem

MAXIMUM_BODY = 1_000_000
"""Characters of a body or comment; a page of a report has its own place."""


def with_comment(pull: PullRequest, marker: str, body: str, author: str, at: datetime) -> PullRequest:
    """Post the comment of that marker, or change it where it stands."""
    if not marker.strip() or len(marker) > 100 or not marker.isprintable():  # noqa: PLR2004 - becomes part of a file name
        raise InputError(f"comment marker {marker!r}: write 1 to 100 printable characters")
    checked_body(body, f"comment {marker} of #{pull.number}")
    old = pull.comment(marker)
    if old is None:
        new = Comment(marker=marker, author=author, body=body, created_at=at, updated_at=at)
        return pull.model_copy(update={"comments": [*pull.comments, new]})
    if old.body == body:
        return pull
    changed = old.model_copy(update={"body": body, "author": author, "updated_at": at})
    return pull.model_copy(update={"comments": [changed if c is old else c for c in pull.comments]})


def checked_check(name: str, commit: str, state: CheckState, description: str, external_id: str) -> Check:
    """A check as it is kept: one line of a description, cut where it is too long."""
    if not name.strip():
        raise InputError(f"{commit[:12]}: a check needs a name")
    line = " ".join(description.split())
    short = line if len(line) <= MAXIMUM_DESCRIPTION else f"{line[: MAXIMUM_DESCRIPTION - 1]}…"
    return Check(name=name, commit=commit, state=state, description=short, external_id=external_id)


def with_check(checks: Iterable[Check], check: Check) -> list[Check]:
    """The checks of a commit with the newest of this name, by name."""
    others = [other for other in checks if other.name != check.name]
    return sorted([*others, check], key=lambda one: one.name)


def with_review(pull: PullRequest, author: str, approved: bool, at: datetime) -> PullRequest:
    """Approve or refuse the present head.

    Raises:
        InputError: the pull request is no longer open, or the author's own.
    """
    if pull.state != "open":
        raise InputError(f"#{pull.number} is {pull.state}: it can no longer be reviewed")
    if person(author) == person(pull.author):
        raise InputError(f"{author} opened #{pull.number}: somebody else must review it")
    said = [r for r in pull.reviews if person(r.author) == person(author) and r.commit == pull.head]
    if said and said[-1].approved == approved:
        return pull
    review = Review(author=author, approved=approved, commit=pull.head, at=at)
    return pull.model_copy(update={"reviews": [*pull.reviews, review]})


def with_text(
    pull: PullRequest, title: str | None = None, body: str | None = None, labels: Iterable[str] | None = None
) -> PullRequest:
    """Change title, body or labels."""
    given = {
        "title": None if title is None else checked_title(title),
        "body": None if body is None else checked_body(body, f"body of #{pull.number}"),
        "labels": None if labels is None else list(labels),
    }
    return pull.model_copy(update={name: value for name, value in given.items() if value is not None})


def closed(pull: PullRequest) -> PullRequest:
    """Close without merging.

    Raises:
        InputError: it is merged.
    """
    if pull.state == "merged":
        raise InputError(f"#{pull.number} is merged already; undo it with a revert")
    return pull.model_copy(update={"state": "closed"})


def check_mergeable(pull: PullRequest, checks: Iterable[Check], required_checks: Iterable[str]) -> None:
    """Refuse a merge that the target branch's protection forbids.

    Raises:
        InputError: names everything that is missing, at once.
    """
    name = f"pull request #{pull.number}"
    if pull.state != "open":
        raise InputError(f"{name} is {pull.state}")
    known = {check.name: check for check in checks}
    problems = []
    for required in required_checks:
        found = known.get(required)
        if found is None or found.state != "success":
            state = "no result yet" if found is None else f"{found.state} ({found.description})"
            problems.append(
                Problem(file=name, subject=required, message=f"must succeed on {pull.head[:12]}", value=state)
            )
    if problems:
        raise InputError(problems)


def checked_title(title: str) -> str:
    """The title without spaces around it; refuses one that is empty or more than a line."""
    text = title.strip()
    if not text or any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text):
        raise InputError(f"title {title[:80]!r}: write one line of text")
    return text


def checked_body(body: str, what: str) -> str:
    """The body as it is; refuses one that is out of all proportion."""
    if len(body) > MAXIMUM_BODY:
        raise InputError(f"{what}: {len(body):,} characters; at most {MAXIMUM_BODY:,} are kept")
    return body


def merge_message(pull: PullRequest) -> str:
    """The message of the merge commit, as forges write it."""
    return f"{pull.title} (#{pull.number})\n\nMerge pull request #{pull.number} from {pull.source}\n"
