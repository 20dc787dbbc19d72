"""What somebody proposes: the tree that it would leave, against main."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

from bighead_ci.definitions.files import Files
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired, read_desired
from bighead_ci.delivery.history import past_releases
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.release_reader import ReleaseReader
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.documents.plan import ChangedFile, Plan
from bighead_ci.planning.change import plan_change
from bighead_ci.ports.engine import Engine
from bighead_ci.ports.tree import Tree


class Change(ABC):
    """A change of main, and what it means. Each part is made when first asked for.

    Args:
        main: What it changes.
        head: Commit that it is, or begins with.
        engine: What the stages would run.
    """

    def __init__(self, main: Main, head: str, engine: Engine) -> None:
        self.main = main
        self.head = head
        self.engine = engine

    @property
    @abstractmethod
    def tree(self) -> Tree:
        """The files that it would leave on main.

        Raises:
            InputError: it conflicts with main.
        """

    @cached_property
    def files(self) -> Files:
        """The authored files among them, each read once."""
        return Files(self.tree)

    @property
    @abstractmethod
    def branch(self) -> Tree:
        """The files of the side that proposes it, by itself: what runs are made of."""

    @property
    @abstractmethod
    def paths(self) -> list[str]:
        """What it would change of main: contents, modes, submodules."""

    @property
    @abstractmethod
    def special(self) -> list[str]:
        """What it would make something else than an ordinary file: executable, symbolic link, submodule."""

    @property
    def reader(self) -> ReleaseReader:
        """Reads its releases."""
        return self.main.reader

    @cached_property
    def desired(self) -> Desired:
        """What should run afterwards."""
        return read_desired(self.tree, self.head, self.reader)

    @cached_property
    def plan(self) -> Plan:
        """What the change means.

        Raises:
            InputError: it is not allowed.
        """
        planned = plan_change(
            self.main.tree,
            self.tree,
            self.main.commit,
            self.head,
            self.engine,
            history=lambda environment, model: past_releases(self.main, environment, model),
        )
        # A mode or a submodule is in no tree's contents, and is a change all the same.
        others = {*self.paths} - {file.path for file in planned.files}
        files = [*planned.files, *(ChangedFile(path=path, change="modified") for path in others)]
        return planned.model_copy(update={"files": sorted(files, key=lambda file: file.path)})

    @cached_property
    def judge(self) -> Main:
        """Main as it judges this change: what the change mends or replaces stands in nobody's way."""
        mended = self.main.mended_by(self.tree, self.paths)
        return mended.replacing((release.environment, release.model) for release in self.plan.releases)


class Proposal(Change):
    """A pull request. What is judged is what would be merged: not the branch by itself, but main with the branch in it.

    Raises:
        InputError: the merge conflicts; or, for the plan, the change is not allowed.
    """

    def __init__(self, context: Context, pull: PullRequestSummary, main: Main) -> None:
        super().__init__(main, pull.head, context.engine)
        self.context = context
        self.pull = pull

    @cached_property
    def merged(self) -> str:
        """Id of the tree that the merge would leave."""
        return self.context.repository.merged(self.main.commit, self.pull.head)

    @cached_property
    def tree(self) -> Tree:
        """The files that the merge would leave."""
        return self.context.repository.tree(self.merged)

    @cached_property
    def branch(self) -> Tree:
        """The files of the branch."""
        return self.context.repository.tree(self.pull.head)

    @cached_property
    def paths(self) -> list[str]:
        """What the merge would change: contents, modes, submodules."""
        return self.context.repository.changed_paths(self.main.commit, self.merged)

    @cached_property
    def special(self) -> list[str]:
        """What the merge would make something else than an ordinary file: executable, symbolic link, submodule."""
        return self.context.repository.special_paths(self.main.commit, self.merged)
