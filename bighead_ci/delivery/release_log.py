"""How releases came to be what they are: one `git log` for all of them, read only as far back as somebody asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bighead_ci.definitions.files import place_of
from bighead_ci.documents.release import release_path
from bighead_ci.ports.repository import Commit, FileChange, Repository

ENVIRONMENTS = "environments"
FIRST_PAGE = 128
"""Commits that the first look takes; each further one takes four times as many."""


@dataclass(frozen=True, slots=True)
class ReleaseEdit:
    """What a commit of main did to one release."""

    environment: str
    model: str
    commit: Commit
    before: str | None
    """Content id; None: there was no release."""
    after: str | None
    """Content id; None: the release was removed."""


class ReleaseLog:
    """Edits of release files up to one commit of main, newest first.

    A merged pull request is one commit. The log of a later commit is made from this one, without reading it again.
    """

    def __init__(self, repository: Repository, commit: str) -> None:
        self._repository = repository
        self._commit = commit
        self._edits: list[ReleaseEdit] = []
        self._by_release: defaultdict[tuple[str, str], list[ReleaseEdit]] = defaultdict(list)
        self._rest: str | None = commit
        """Where reading goes on; None when everything was read."""
        self._page = FIRST_PAGE

    def of(self, environment: str, model: str, limit: int | None = None) -> list[ReleaseEdit]:
        """The edits of one release, or the newest of them."""
        found = list(self._by_release[environment, model])
        if self._rest is not None and (limit is None or len(found) < limit):
            path = release_path(environment, model)
            found += _edits(self._repository.changes(self._rest, path, limit=limit))
        return found[:limit]

    def all(self) -> list[ReleaseEdit]:
        """Every edit of every release."""
        while self._rest is not None:
            self._read_on()
        return self._edits

    def continued(self, commit: str) -> ReleaseLog:
        """The log of another commit; one that has this commit on its line shares what was read."""
        later = ReleaseLog(self._repository, commit)
        if self._rest == self._commit:
            return later  # nothing was read
        line = self._repository.log(commit, since=self._commit)
        if line and line[-1].parents[:1] == [self._commit]:
            later._keep(_edits(self._repository.changes(commit, ENVIRONMENTS, since=self._commit)))
            later._keep(self._edits)
            later._rest = self._rest
        return later

    def _read_on(self) -> None:
        found = self._repository.changes(self._rest or self._commit, ENVIRONMENTS, limit=self._page)
        self._keep(_edits(found))
        whole = len({change.commit.id for change in found}) == self._page
        self._rest = found[-1].commit.parents[0] if whole and found[-1].commit.parents else None
        self._page *= 4

    def _keep(self, edits: Iterable[ReleaseEdit]) -> None:
        for edit in edits:
            self._edits.append(edit)
            self._by_release[edit.environment, edit.model].append(edit)


def _edits(changes: Iterable[FileChange]) -> Iterator[ReleaseEdit]:
    for change in changes:
        place = place_of(change.path)
        if place is not None and place.kind == "release":
            yield ReleaseEdit(place.of, place.name, change.commit, change.before, change.after)
