"""Forges that a conformance suite is held against: the local one, and the double in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.errors import InputError
from bighead_ci.forge.local import LocalForge
from bighead_ci.git.process import RefUpdate
from bighead_ci.git.repository import GitRepository
from bighead_ci.ports.forge import Forge
from bighead_ci.ports.repository import Repository
from fakes.forge import MemoryForge, MemoryRepository
from fakes.repositories import begin_repository


class Bench(NamedTuple):
    """Forges on one repository, for whoever acts, with a target branch that is protected or not."""

    acting: Callable[[str], Forge]
    repository: Repository
    protected: Callable[[str, tuple[str, ...]], Forge]
    damage: Callable[[int], None]
    """Make a pull request unreadable."""

    @property
    def forge(self) -> Forge:
        """As ada, who opens."""
        return self.acting("ada")

    @property
    def grace(self) -> Forge:
        """As grace, who reviews and merges."""
        return self.acting("grace")

    def push(self, branch: str, **files: str) -> str:
        """Commit to a branch on top of it, or of main where it is new."""
        try:
            parent = self.repository.resolve(branch)
        except InputError:
            parent = self.repository.resolve("main")
        changes = {name: text.encode() for name, text in files.items()}
        return self.repository.commit(branch, parent, changes, f"change {branch}", "ada")

    def opened(self, branch: str = "topic", **files: str) -> PullRequestSummary:
        """A branch with a change, and its pull request."""
        self.push(branch, **(files or {"a": branch}))
        return self.forge.open(branch, "main", f"Ship {branch}", "Body")

    def checks(self, commit: str) -> dict[str, str]:
        """Name → state."""
        return {check.name: check.state for check in self.forge.checks(commit)}


class Ticking:
    """A clock that moves a second a look."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


FORGES = ("local", "memory")
"""All that there are."""


def forge_bench(kind: str, directory: Path) -> Bench:
    """A bench of one kind."""
    clock = Ticking()
    if kind == "memory":
        memory = MemoryRepository(clock)
        double = MemoryForge(memory, clock)

        def protect_double(identity: str, checks: tuple[str, ...]) -> Forge:
            double.required_checks = checks
            return double.acting(identity)

        return Bench(double.acting, memory, protect_double, lambda number: double.damaged.update({number: "bad"}))
    repository = GitRepository(begin_repository(directory / "forge.git"), clock)

    def damage(number: int) -> None:
        ref = f"refs/bighead/pulls/{number}"
        version = repository.refs(ref)[ref]
        commit = repository.write_commit([version], {"pull.json": b"{"}, "damage", "eve")
        repository.git.update_refs([RefUpdate(ref, commit, version)])

    return Bench(
        lambda identity: LocalForge(repository, clock, identity),
        repository,
        lambda identity, checks: LocalForge(repository, clock, identity, checks),
        damage,
    )
