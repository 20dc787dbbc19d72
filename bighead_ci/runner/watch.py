"""Where main is, asked of git only when some ref moved."""

from __future__ import annotations

from typing import Protocol

from bighead_ci.ports.repository import MAIN, Repository


class Refs(Protocol):
    """Says whether branches or pull requests may have changed; so cheap that it is asked at every poll."""

    def moved(self) -> bool:
        """Whether anything may have changed since the last call; the first says yes."""


class Watch:
    """What all duties look at; only `look` changes it."""

    def __init__(self, repository: Repository, refs: Refs) -> None:
        self._repository = repository
        self._refs = refs
        self._stale = True
        self.main = ""
        """Commit; empty before the first look."""
        self.changes = 0
        """Grows whenever a branch or a pull request may have changed."""

    def look(self) -> None:
        """Look whether refs moved.

        Raises:
            InputError: there is no main.
            RetryError: the repository does not answer; the next look asks again.
        """
        self._stale = self._refs.moved() or self._stale
        if self._stale:
            self.main = self._repository.resolve(MAIN)
            self.changes += 1
            self._stale = False
