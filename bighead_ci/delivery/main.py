"""Main as one commit: what a command looks at from its beginning to its end, though main moves on meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from bighead_ci.definitions.loading import load_gates
from bighead_ci.delivery.desired import Desired, read_desired
from bighead_ci.delivery.release_log import ReleaseLog
from bighead_ci.delivery.release_reader import ReleaseReader
from bighead_ci.documents.verdict import GateDefinition
from bighead_ci.ports.repository import MAIN, Repository
from bighead_ci.ports.tree import Tree


@dataclass(frozen=True)
class Main:
    """One commit of the branch that says what runs."""

    branch: str
    commit: str
    tree: Tree
    reader: ReleaseReader
    log: ReleaseLog
    """How the releases came to be what they are at this commit."""

    replaced: frozenset[tuple[str, str]] = frozenset()
    """Releases, by (environment, model), whose problems do not matter: a change replaces them."""

    @cached_property
    def desired(self) -> Desired:
        """What the commit says should run; read when first asked for."""
        return read_desired(self.tree, self.commit, self.reader).replacing(self.replaced)

    @cached_property
    def gates(self) -> list[GateDefinition]:
        """The gates of the commit; read when first asked for.

        Raises:
            InputError: one has problems.
        """
        return load_gates(self.tree)

    def replacing(self, places: Iterable[tuple[str, str]]) -> Main:
        """The same for a change that replaces these releases, readable or not."""
        return replace(self, replaced=frozenset(places))


class Mainline:
    """Takes snapshots of a repository's main; what two of them share is read once."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._reader = ReleaseReader(repository)
        self._newest: dict[str, Main] = {}

    def at(self, branch: str = MAIN) -> Main:
        """The branch as it is now; while it does not move, the same snapshot."""
        commit = self._repository.resolve(branch)
        known = self._newest.get(branch)
        if known is not None and known.commit == commit:
            return known
        log = known.log.continued(commit) if known is not None else ReleaseLog(self._repository, commit)
        found = Main(branch, commit, self._repository.tree(commit), self._reader, log)
        self._newest[branch] = found
        return found
