"""What a pull request proposes: the tree that its merge would leave, against main."""

from __future__ import annotations

from functools import cached_property

from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired, read_desired
from bighead_ci.delivery.history import past_releases
from bighead_ci.delivery.main import Main
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.documents.plan import ChangedFile, Plan
from bighead_ci.planning.change import plan_change
from bighead_ci.ports.tree import Tree


class Proposal:
    """What is judged is what would be merged: not the branch by itself, but main with the branch in it.

    Each part is made when first asked for.

    Raises:
        InputError: the merge conflicts; or, for the plan, the change is not allowed.
    """

    def __init__(self, context: Context, pull: PullRequestSummary, main: Main) -> None:
        self.context = context
        self.pull = pull
        self.main = main

    @cached_property
    def merged(self) -> str:
        """Id of the tree that the merge would leave."""
        return self.context.repository.merged(self.main.commit, self.pull.head)

    @cached_property
    def tree(self) -> Tree:
        """The files that the merge would leave."""
        return self.context.repository.tree(self.merged)

    @cached_property
    def paths(self) -> list[str]:
        """What the merge would change: contents, modes, submodules."""
        return self.context.repository.changed_paths(self.main.commit, self.merged)

    @cached_property
    def special(self) -> list[str]:
        """What the merge would make something else than an ordinary file: executable, symbolic link, submodule."""
        return self.context.repository.special_paths(self.main.commit, self.merged)

    @cached_property
    def desired(self) -> Desired:
        """What should run after the merge."""
        return read_desired(self.tree, self.pull.head, self.main.reader)

    @cached_property
    def plan(self) -> Plan:
        """What the change means."""
        planned = plan_change(
            self.main.tree,
            self.tree,
            self.main.commit,
            self.pull.head,
            self.context.engine,
            history=lambda environment, model: past_releases(self.main, environment, model),
        )
        # A mode or a submodule is in no tree's contents, and is a change all the same.
        others = {*self.paths} - {file.path for file in planned.files}
        files = [*planned.files, *(ChangedFile(path=path, change="modified") for path in others)]
        return planned.model_copy(update={"files": sorted(files, key=lambda file: file.path)})
