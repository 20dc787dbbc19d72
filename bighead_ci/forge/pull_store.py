"""Pull requests as refs of a git repository: each change of one is a commit, so its history is a `git log`.

`refs/bighead/pulls/<n>` points to a commit whose tree holds

- `pull.json`: title, state, branches, labels, head;  `body.md`: the body, byte for byte
- `comments/<marker>.md`: a comment's body;  `comments.json`: who wrote which when
- `statuses.json`, `reviews.json`

`refs/pull/<n>/head` keeps the head commit alive and fetchable under GitHub's name. `refs/bighead/open/<branches>`
exists so that two processes cannot open two pull requests for the same branches at once.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import quote

from bighead_ci.documents.forge import Comment, PullRequest, Review, Status
from bighead_ci.errors import BugError, InputError
from bighead_ci.git.process import RefUpdate
from bighead_ci.git.repository import GitRepository

PULLS = "refs/bighead/pulls/"
OPEN = "refs/bighead/open/"
BRANCHES = "refs/heads/"
REMEMBERED = 4096
"""Versions of pull requests kept in memory; a version never changes."""


class PullStore:
    """Reads and writes versions of pull requests; knows no rules."""

    def __init__(self, repository: GitRepository) -> None:
        self.repository = repository
        self._known: dict[str, PullRequest] = {}

    def tips_and_branches(self) -> tuple[dict[int, str], dict[str, str]]:
        """Every number → the commit of its newest version, in order of number; and every branch → its commit."""
        refs = self.repository.refs(PULLS, BRANCHES)
        tips = {int(name.removeprefix(PULLS)): version for name, version in refs.items() if name.startswith(PULLS)}
        branches = {n.removeprefix(BRANCHES): commit for n, commit in refs.items() if n.startswith(BRANCHES)}
        return dict(sorted(tips.items())), branches

    def tip(self, number: int) -> str:
        """The commit of a pull request's newest version.

        Raises:
            InputError: there is no such pull request.
        """
        found = self.ref(f"{PULLS}{number}")
        if found is None:
            raise InputError(f"there is no pull request #{number}")
        return found

    def ref(self, name: str) -> str | None:
        """What a ref points to."""
        found = self.repository.git.objects.identify(name)
        return None if found is None else found[0]

    def load(self, version: str) -> PullRequest:
        """One version of a pull request."""
        known = self._known.get(version)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[version] = self._read(version)
        return known

    def write(self, pull: PullRequest, version: str | None, message: str, author: str) -> tuple[str, list[RefUpdate]]:
        """Write the next version and return its commit and the ref moves that put it in force."""
        old = None if version is None else self.load(version)
        before = {} if old is None else _files(old)
        after = _files(pull)
        changes: dict[str, bytes | None] = {path: data for path, data in after.items() if before.get(path) != data}
        changes |= dict.fromkeys(before.keys() - after.keys())
        commit = self.repository.write_commit([version] if version else [], changes, message, author)
        moves = [RefUpdate(f"{PULLS}{pull.number}", commit, version)]
        head = f"refs/pull/{pull.number}/head"
        if old is None or old.head != pull.head:
            moves.append(RefUpdate(head, pull.head, self.ref(head)))
        return commit, moves

    def open_key(self, source: str, target: str) -> str:
        """The ref that whoever opens a pull request for these branches must move."""
        return OPEN + hashlib.sha256(f"{source}\0{target}".encode()).hexdigest()[:32]

    def _read(self, version: str) -> PullRequest:
        comments = [
            about | {"body": self._text(version, _comment_path(about["marker"]))}
            for about in self._json(version, "comments.json")
        ]
        fields = self._json(version, "pull.json") | {
            "body": self._text(version, "body.md"),
            "comments": comments,
            "statuses": self._json(version, "statuses.json"),
            "reviews": self._json(version, "reviews.json"),
        }
        return PullRequest.model_validate(fields)

    def _json(self, version: str, path: str) -> Any:
        return json.loads(self._text(version, path))

    def _text(self, version: str, path: str) -> str:
        content = self.repository.git.objects.read(f"{version}:{path}")
        if content is None:
            raise BugError(f"{self.repository.git.directory}: pull request version {version} has no {path}")
        return content.decode()


def _files(pull: PullRequest) -> dict[str, bytes]:
    fields = pull.model_dump(mode="json", exclude={"body", "comments", "statuses", "reviews"})
    files = {
        "pull.json": _pretty(fields),
        "body.md": _bytes(pull.body, "body"),
        "comments.json": _pretty([_about(comment) for comment in pull.comments]),
        "statuses.json": _pretty([_plain(status) for status in pull.statuses]),
        "reviews.json": _pretty([_plain(review) for review in pull.reviews]),
    }
    return files | {_comment_path(c.marker): _bytes(c.body, f"comment {c.marker}") for c in pull.comments}


def _about(comment: Comment) -> dict[str, Any]:
    return comment.model_dump(mode="json", exclude={"body"})


def _plain(document: Status | Review) -> dict[str, Any]:
    return document.model_dump(mode="json")


def _comment_path(marker: str) -> str:
    return f"comments/{quote(marker, safe=' ')}.md"


def _pretty(value: Any) -> bytes:
    return _bytes(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "pull request")


def _bytes(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{what}: not valid Unicode at character {error.start}") from error
