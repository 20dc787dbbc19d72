"""What every forge of ours decides alike: how a pull request changes, and what a merge must have. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import datetime

from bighead_ci.documents.forge import Comment, PullRequest, Review, Status
from bighead_ci.errors import InputError, Problem

MAXIMUM_BODY = 1_000_000
"""Characters of a body or comment; a page of a report has its own place."""

JUDGED_WHOLE = "environments"
"""Directory whose files gates judge as they are: two changes of one of them never merge line by line."""


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


def with_status(pull: PullRequest, status: Status) -> PullRequest:
    """Set a check: the newest of its name on its commit."""
    if not status.context.strip():
        raise InputError(f"#{pull.number}: a status needs a name")
    key = (status.commit, status.context)
    if status in pull.statuses:
        return pull
    others = [s for s in pull.statuses if (s.commit, s.context) != key]
    return pull.model_copy(update={"statuses": [*others, status]})


def with_review(pull: PullRequest, author: str, approved: bool, at: datetime) -> PullRequest:
    """Approve or refuse the present head.

    Raises:
        InputError: the pull request is no longer open.
    """
    if pull.state != "open":
        raise InputError(f"#{pull.number} is {pull.state}: it can no longer be reviewed")
    said = [r for r in pull.reviews if r.author == author and r.commit == pull.head]
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


def closed(pull: PullRequest, reason: str) -> PullRequest:
    """Close without merging.

    Raises:
        InputError: it is merged.
    """
    if pull.state == "merged":
        raise InputError(f"#{pull.number} is merged already; undo it with a revert")
    return pull if pull.state == "closed" else pull.model_copy(update={"state": "closed", "closed_reason": reason})


def check_mergeable(pull: PullRequest, required_statuses: Iterable[str], required_approvals: int) -> None:
    """Refuse a merge that the target branch's protection forbids.

    Raises:
        InputError: names everything that is missing, at once.
    """
    name = f"pull request #{pull.number}"
    if pull.state != "open":
        raise InputError(f"{name} is {pull.state}" + (f": {pull.closed_reason}" if pull.closed_reason else ""))
    problems = []
    for context in required_statuses:
        found = pull.status(context)
        if found is None or found.state != "success":
            state = "no result yet" if found is None else f"{found.state} ({found.description})"
            problems.append(
                Problem(file=name, subject=context, message=f"must succeed on {pull.head[:12]}", value=state)
            )
    approvals = pull.approvals()
    if len(approvals) < required_approvals:
        got = f"{len(approvals)} ({', '.join(approvals)})" if approvals else "0"
        wanted = f"{required_approvals} by people other than {pull.author}"
        problems.append(
            Problem(
                file=name,
                subject="approvals",
                message=f"must be approved at {pull.head[:12]}",
                value=got,
                allowed=wanted,
            )
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
