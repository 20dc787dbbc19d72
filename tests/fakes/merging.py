"""Local forges that merge as others may be set to: by one commit, or by the branch's commits made anew."""

from __future__ import annotations

from abc import abstractmethod

from bighead_ci.documents.forge import PullRequest
from bighead_ci.forge import rules
from bighead_ci.forge.local import LocalForge
from bighead_ci.git.process import RefUpdate


class _OtherMerges(LocalForge):
    """Main gets no commit of the branch: only the pull request says what became of it."""

    def _merge(self, number: int, head: str, expected: str | None) -> PullRequest:
        pull, version = self._live(self.store.tip(number))
        assert (pull.state, pull.head, expected) == ("open", head, None)
        onto = self._tip(pull.target)
        merged = self._commits(pull, onto)
        done = pull.model_copy(update={"state": "merged", "merge_commit": merged})
        return self._write(
            done, version, f"Merge as {merged}", (RefUpdate(f"refs/heads/{pull.target}", merged, onto),)
        )[0]

    @abstractmethod
    def _commits(self, pull: PullRequest, onto: str) -> str:
        """Write what the target gets; its last commit."""


class SquashingForge(_OtherMerges):
    """One commit a pull request."""

    def _commits(self, pull: PullRequest, onto: str) -> str:
        tree = self.repository.merge_trees(onto, pull.head, f"#{pull.number}")
        return self.repository.write_commit([onto], {}, rules.merge_message(pull), self.identity, tree)


class RebasingForge(_OtherMerges):
    """Each commit of the branch, made anew on top of the target even where it lies there already."""

    def _commits(self, pull: PullRequest, onto: str) -> str:
        repository = self.repository
        for commit in reversed(repository.log(pull.head, since=onto)):
            files = repository.tree(commit.id)
            changes = {
                path: files.read(path) if path in files.files() else None
                for path in repository.changed_paths(commit.parents[0], commit.id)
            }
            onto = repository.write_commit([onto], changes, f"{commit.subject}\n\nRebased\n", commit.author)
        return onto


class ForwardingForge(_OtherMerges):
    """The branch itself, where the target lies on it."""

    def _commits(self, pull: PullRequest, onto: str) -> str:
        assert self.repository.is_ancestor(onto, pull.head)
        return pull.head
