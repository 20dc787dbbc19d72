"""The delivery context on a real bare repository with real pull requests, for stories that are about git."""

from __future__ import annotations

from pathlib import Path
from typing import Self, cast

from bighead_ci.delivery.checks import REQUIRED
from bighead_ci.delivery.main import Mainline
from bighead_ci.documents.forge import PullRequest
from bighead_ci.forge.local import LocalForge
from bighead_ci.git.repository import GitRepository
from bighead_ci.workspaces.repositories import create_repositories
from fakes.context import FakeContext
from fakes.forge import MemoryForge, MemoryRepository
from fakes.repositories import git


class GitContext(FakeContext):
    """Everything but git and the forge is in memory; `clone` is where people work."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        seed = directory / "seed"
        files = self.repository.tree("main")
        for path in files.files():
            (seed / path).parent.mkdir(parents=True, exist_ok=True)
            (seed / path).write_bytes(files.read(path))
        self.clone = directory / "clone"
        create_repositories(directory / "forge.git", self.clone, seed, {})
        self.git_repository = GitRepository(directory / "forge.git", self.clock)
        self.repository = cast(MemoryRepository, self.git_repository)
        self.mainline = Mainline(self.git_repository)
        self.orchestrator.tree = self.git_repository.tree
        self._act_as(self.identity)

    def _act_as(self, identity: str) -> None:
        self.forge = cast(MemoryForge, LocalForge(self.git_repository, self.clock, identity, REQUIRED))

    def branches(self) -> dict[str, str]:
        """Of the repository on disk."""
        return self.git_repository.branches()

    def acting(self, identity: str) -> Self:
        """The same context for somebody else."""
        other = object.__new__(type(self))
        other.__dict__ |= self.__dict__ | {"identity": identity}
        other._act_as(identity)
        return other

    def git(self, *arguments: str, who: str = "ada") -> str:
        """Run git in the clone."""
        return git(self.clone, *arguments, who=who)

    def edit(self, path: str, old: str, new: str, *, who: str = "ada") -> None:
        """Commit an edit of a file, or a new file where `old` is empty, on the branch that the clone is on."""
        file = self.clone / path
        text = file.read_text() if old else ""
        assert old in text
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace(old, new) if old else new)
        self.git("add", path)
        self.git("commit", "--quiet", "-m", f"edit {path}", who=who)

    def pull(self, branch: str, author: str = "ada") -> PullRequest:
        """Push the clone's branch and open its pull request."""
        self.git("push", "--quiet", "origin", f"HEAD:refs/heads/{branch}", who=author)
        forge = self.acting(author).forge
        return forge.get(forge.open(branch, "main", branch, "").number)
