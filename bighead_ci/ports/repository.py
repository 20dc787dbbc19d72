"""The git repository that is the source of truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bighead_ci.documents.base import Document, Moment
from bighead_ci.ports.tree import Tree

MAIN = "main"
"""The branch that says what runs."""


class Commit(Document):
    """One commit."""

    id: str
    author: str
    at: Moment
    """Committer date."""
    subject: str
    parents: list[str]


@dataclass(frozen=True, slots=True)
class FileChange:
    """What one commit did to one file, against its first parent."""

    commit: Commit
    path: str
    before: str | None
    """Content id; None: the commit added the file."""
    after: str | None
    """Content id; None: the commit deleted it."""


class Repository(Protocol):
    """Reads commits and writes branches of the shared repository. No work tree is needed.

    Raises:
        InputError: from every call that names a branch, commit or tree: there is none.
    """

    def resolve(self, revision: str) -> str:
        """Commit id of a branch, tag or abbreviated id."""

    def tree(self, commit: str) -> Tree:
        """The files of a commit, or of a tree by its id."""

    def blobs(self, ids: Iterable[str]) -> Mapping[str, bytes]:
        """Contents by content id, read in one go; ids that name none are left out."""

    def merged(self, ours: str, theirs: str) -> str:
        """Id of the tree that merging the second commit into the first would leave; nothing is written to a branch.

        Raises:
            InputError: they conflict; one problem a file.
        """

    def changed_paths(self, base: str, head: str) -> list[str]:
        """Paths that differ between two commits or trees, sorted: content, mode, submodules."""

    def special_paths(self, base: str, head: str) -> list[str]:
        """Paths that the second has, and the first has not, as something else than an ordinary file, sorted.

        Executable files, symbolic links, submodules.
        """

    def contributors(self, base: str, head: str) -> set[str]:
        """Authors and committers of the commits that the second history has and the first has not."""

    def merge_base(self, left: str, right: str) -> str:
        """Where two histories part."""

    def log(self, revision: str, *paths: str, since: str | None = None, limit: int | None = None) -> list[Commit]:
        """Commits that touched any of the paths (none given: all), newest first, along first parents.

        So a merged pull request is one entry. `since` leaves out that commit and all that it contains.
        """

    def changes(
        self, revision: str, *paths: str, since: str | None = None, limit: int | None = None
    ) -> list[FileChange]:
        """What the commits of `log` did to files under the paths; `limit` counts commits."""

    def first_containing(self, commit: str, revision: str) -> str:
        """The oldest commit of `log` whose history has the commit: the merge that brought it."""

    def diff(self, base: str, head: str) -> str:
        """Unified diff from one commit's files to another's; empty when they are equal."""

    def commit(self, branch: str, parent: str, changes: Mapping[str, bytes | None], message: str, author: str) -> str:
        """Make `branch` (created or moved) one commit on top of `parent` with the changes (None deletes).

        Raises:
            RetryError: the branch moved meanwhile.
        """

    def checkout(self, commit: str, directory: Path) -> None:
        """Put the files of the commit into the directory, a fresh work tree."""

    def delete_branch(self, branch: str) -> None:
        """Delete a branch; a missing one is fine."""
