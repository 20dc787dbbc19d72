"""A person's work tree: its files, and what it proposes to main."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.errors import InputError
from bighead_ci.git.work_tree import WorkTree, work_tree_at
from bighead_ci.ports.repository import MAIN
from bighead_ci.wiring.contexts import LocalContext, context_of, installed_engine
from bighead_ci.workspaces.finding import workspace_or

if TYPE_CHECKING:
    from bighead_ci.delivery.draft import Draft

ORIGIN = f"refs/remotes/origin/{MAIN}"
"""Main as the last fetch or push left it; nothing is fetched here."""


@dataclass(frozen=True)
class Checkout:
    """A directory that somebody works in."""

    directory: Path
    git: WorkTree | None
    """What git says of it; None where it is no root of a work tree."""

    @cached_property
    def tree(self) -> DirectoryTree:
        """The files that git would take; all that there are, without git."""
        return DirectoryTree(self.directory, self.git.files if self.git is not None else None)

    def draft(self) -> Draft:
        """What it proposes to main as that was fetched last.

        Raises:
            InputError: there is nothing to compare it with; says why.
        """
        from bighead_ci.delivery.draft import Draft
        from bighead_ci.delivery.main import Mainline
        from bighead_ci.git.repository import GitRepository

        if self.git is None:
            raise InputError("this is not the root of a git work tree")
        repository = GitRepository(self.directory)
        if not repository.refs(ORIGIN):
            raise InputError(f"there is no origin/{MAIN}, as a clone of a workspace has")
        main = Mainline(repository).at(ORIGIN)
        return Draft(repository, main, installed_engine(), self.tree, self.git.uncommitted, self.git.special)

    def context(self) -> LocalContext:
        """The context of its workspace; where there is none, one of its own."""
        return context_of(workspace_or(self.directory))


def checkout_at(directory: Path) -> Checkout:
    """A directory that somebody works in, as it is now."""
    return Checkout(directory, work_tree_at(directory))


def work_tree(directory: Path) -> DirectoryTree:
    """The files of a directory that somebody works in."""
    return checkout_at(directory).tree
