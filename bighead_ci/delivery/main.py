"""Main as one commit: what a command looks at from its beginning to its end, though main moves on meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from bighead_ci.definitions.files import Files, name_problems, place_of
from bighead_ci.definitions.loading import load_gates
from bighead_ci.definitions.tree import OverlaidTree
from bighead_ci.delivery.desired import HOW_TO_MEND, Desired, read_desired
from bighead_ci.delivery.release_log import ReleaseLog
from bighead_ci.delivery.release_reader import ReleaseReader
from bighead_ci.documents.verdict import GateDefinition
from bighead_ci.errors import InputError
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

    mended: Mapping[str, bytes | None] = field(default_factory=dict)
    """Gates and environments that cannot be read, by their files: what a change makes of them (None: removes them)."""

    @cached_property
    def desired(self) -> Desired:
        """What the commit says should run; read when first asked for."""
        return read_desired(self._rules, self.commit, self.reader).replacing(self.replaced)

    @property
    def _rules(self) -> Tree:
        return OverlaidTree(self.tree, self.mended) if self.mended else self.tree

    @cached_property
    def gates(self) -> list[GateDefinition]:
        """The gates of the commit; read when first asked for.

        Raises:
            InputError: one has problems; says how to mend it.
        """
        try:
            return load_gates(self._rules)
        except InputError as error:
            raise error.saying(HOW_TO_MEND) from error

    def replacing(self, places: Iterable[tuple[str, str]]) -> Main:
        """The same for a change that replaces these releases, readable or not."""
        return replace(self, replaced=frozenset(places))

    def mended_by(self, merged: Tree, paths: Iterable[str]) -> Main:
        """The same for a change of these paths: a gate or an environment that it mends is taken as it would be.

        All others, and every gate that can be read, stay main's: nobody is judged by gates of his own.
        """
        files, there = Files(self.tree), merged.files()
        places = [place for path in paths if (place := place_of(path)) and place.kind in {"gate", "environment"}]
        broken = [
            place.file for place in places if (read := files.read(place)) and (read.problems or name_problems(place))
        ]
        return replace(self, mended={file: merged.read(file) if file in there else None for file in broken})


class Mainline:
    """Takes snapshots of a repository's main; what two of them share is read once."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._reader = ReleaseReader(repository.blobs)
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
