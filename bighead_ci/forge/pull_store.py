"""Pull requests and checks as refs of a git repository: each change of one is a commit, so its history is a `git log`.

`refs/bighead/pulls/<n>` points to a commit whose tree holds

- `pull.json`: what a list shows;  `body.md`: the body, byte for byte
- `comments/<marker>.md`: a comment's body;  `comments.json`: who wrote which when
- `reviews.json`

`refs/bighead/checks/<commit>` points to a commit whose tree holds `checks.json`: what is said of that commit.
`refs/pull/<n>/head` keeps the head commit alive and fetchable under GitHub's name. `refs/bighead/open/<branches>`
exists so that two processes cannot open two pull requests for the same branches at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from bighead_ci.documents.forge import Check, Comment, PullRequest, PullRequestSummary, Review
from bighead_ci.errors import InputError
from bighead_ci.git.process import RefUpdate
from bighead_ci.git.repository import GitRepository

PULLS = "refs/bighead/pulls/"
CHECKS = "refs/bighead/checks/"
OPEN = "refs/bighead/open/"
BRANCHES = "refs/heads/"
REMEMBERED = 4096
"""Versions of pull requests kept in memory; a version never changes."""
_Known = TypeVar("_Known")
_CHECKS = TypeAdapter(list[Check])


class PullStore:
    """Reads and writes versions of pull requests; knows no rules."""

    def __init__(self, repository: GitRepository) -> None:
        self.repository = repository
        self._known: dict[str, PullRequest] = {}
        self._summaries: dict[str, PullRequestSummary] = {}

    def tips_and_branches(self) -> tuple[dict[int, str], dict[str, str]]:
        """Every number → the commit of its newest version, in order of number; and every branch → its commit."""
        refs = self.repository.refs(PULLS, BRANCHES)
        numbers = {name.removeprefix(PULLS): version for name, version in refs.items() if name.startswith(PULLS)}
        tips = {int(number): version for number, version in numbers.items() if number.isdecimal()}
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

    def summary(self, version: str) -> PullRequestSummary:
        """One version of a pull request as a list shows it.

        Raises:
            InputError: the version is not what we write.
        """
        return _remembered(self._summaries, version, self._read_summary)

    def load(self, version: str) -> PullRequest:
        """One version of a pull request.

        Raises:
            InputError: the version is not what we write.
        """
        return _remembered(self._known, version, self._read)

    def checks(self, commit: str) -> tuple[list[Check], str | None]:
        """What is said of a commit, and the version that says so.

        Checks that cannot be read count as none: a check that is missing lets nothing through, and the next one that is
        set replaces them.
        """
        version = self.ref(f"{CHECKS}{commit}")
        if version is None:
            return [], None
        try:
            return _CHECKS.validate_python(self._json(version, "checks.json")), version
        except (InputError, ValidationError):
            return [], version

    def write_checks(self, commit: str, checks: list[Check], version: str | None, message: str, author: str) -> None:
        """Put the next version in force.

        Raises:
            RetryError: somebody else was first.
        """
        data = _pretty([_plain(check) for check in checks])
        new = self.repository.write_commit([version] if version else [], {"checks.json": data}, message, author)
        self.repository.git.update_refs([RefUpdate(f"{CHECKS}{commit}", new, version)])

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

    def _read_summary(self, version: str) -> PullRequestSummary:
        fields = self._json(version, "pull.json")
        try:
            found = PullRequestSummary.model_validate(fields)
        except ValidationError as error:
            raise _unreadable(version, str(error)) from error
        return found.model_copy(update={"url": self._url(found.number)})

    def _read(self, version: str) -> PullRequest:
        summary = self.summary(version)
        try:
            comments = [
                about | {"body": self._text(version, _comment_path(about["marker"]))}
                for about in self._json(version, "comments.json")
            ]
            return PullRequest(
                **dict(summary),
                body=self._text(version, "body.md"),
                comments=comments,
                reviews=self._json(version, "reviews.json"),
            )
        except (ValidationError, KeyError, TypeError) as error:
            raise _unreadable(version, str(error)) from error

    def _url(self, number: int) -> str:
        """There is no page: what git can show."""
        return f"{self.repository.git.directory.as_uri()}#{PULLS}{number}"

    def _json(self, version: str, path: str) -> Any:
        try:
            return json.loads(self._text(version, path))
        except ValueError as error:
            raise _unreadable(version, f"{path}: {error}") from error

    def _text(self, version: str, path: str) -> str:
        content = self.repository.git.objects.read(f"{version}:{path}")
        if content is None:
            raise _unreadable(version, f"it has no {path}")
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise _unreadable(version, f"{path}: {error}") from error


def _remembered(known: dict[str, _Known], version: str, read: Callable[[str], _Known]) -> _Known:
    if version not in known:
        if len(known) >= REMEMBERED:
            known.clear()
        known[version] = read(version)
    return known[version]


def _unreadable(version: str, why: str) -> InputError:
    return InputError(f"the pull request at {version[:12]} cannot be read: {' '.join(why.split())}")


def _files(pull: PullRequest) -> dict[str, bytes]:
    fields = pull.model_dump(mode="json", exclude={"url", "body", "comments", "reviews"})
    files = {
        "pull.json": _pretty(fields),
        "body.md": _bytes(pull.body, "body"),
        "comments.json": _pretty([_about(comment) for comment in pull.comments]),
        "reviews.json": _pretty([_plain(review) for review in pull.reviews]),
    }
    return files | {_comment_path(c.marker): _bytes(c.body, f"comment {c.marker}") for c in pull.comments}


def _about(comment: Comment) -> dict[str, Any]:
    return comment.model_dump(mode="json", exclude={"body"})


def _plain(document: Check | Review) -> dict[str, Any]:
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
