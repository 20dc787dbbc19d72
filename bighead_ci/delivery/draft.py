"""What a work tree proposes before there is a pull request: its commits and what is not committed yet, against main."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

from bighead_ci.definitions.check_paths import PLACES
from bighead_ci.definitions.check_sources import SOURCES
from bighead_ci.definitions.data_pipeline import PIPELINE
from bighead_ci.definitions.files import place_of
from bighead_ci.definitions.tree import OverlaidTree, blob_id
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.proposal import Change
from bighead_ci.delivery.release_reader import ReleaseReader
from bighead_ci.errors import InputError
from bighead_ci.planning.meaning import DATA_LOCK
from bighead_ci.ports.engine import Engine
from bighead_ci.ports.repository import Repository
from bighead_ci.ports.tree import Tree

_JUDGED = tuple(f"{folder}/" for folder in PLACES)


class Draft(Change):
    """A work tree, as if all of it were committed and pushed now.

    Its commits are merged with main as git merges them, and files that are not committed lie on top of that: where main
    changed one of these too, what the work tree has counts.

    Args:
        repository: Of the work tree.
        main: What it would change.
        engine: What the stages would run.
        here: The files of the work tree.
        uncommitted: Paths that its last commit has not, or has otherwise.
        special: Those of them that are no ordinary files.

    Raises:
        InputError: its commits conflict with main; or, for the plan, the change is not allowed.
    """

    def __init__(
        self,
        repository: Repository,
        main: Main,
        engine: Engine,
        here: Tree,
        uncommitted: Collection[str],
        special: Collection[str],
    ) -> None:
        super().__init__(main, repository.resolve("HEAD"), engine)
        self._repository = repository
        self._here = here
        self._uncommitted = uncommitted
        self._special = special

    @property
    def is_behind(self) -> bool:
        """Whether main has commits that it has not."""
        try:
            return self._repository.merge_base(self.main.commit, self.head) != self.main.commit
        except InputError:  # they have nothing in common
            return True

    @cached_property
    def _merged(self) -> str:
        try:
            return self._repository.merged(self.main.commit, self.head)
        except InputError as error:
            raise error.saying("git merge origin/main") from error

    @cached_property
    def _on_top(self) -> Mapping[str, bytes | None]:
        """Only what is judged: the data of a source may be large, and is no part of a commit."""
        return {path: _content(self._here, path) for path in self._uncommitted if _is_judged(path)}

    @cached_property
    def tree(self) -> Tree:
        """The files that a merge would leave."""
        return OverlaidTree(self._repository.tree(self._merged), self._on_top)

    @property
    def branch(self) -> Tree:
        """The files of the work tree."""
        return self._here

    @cached_property
    def paths(self) -> list[str]:
        """What a merge would change."""
        return sorted({*self._repository.changed_paths(self.main.commit, self._merged), *self._uncommitted})

    @cached_property
    def special(self) -> list[str]:
        """What a merge would make something else than an ordinary file."""
        committed = self._repository.special_paths(self.main.commit, self._merged)
        return sorted({*committed} - {*self._uncommitted} | {*self._special})

    @cached_property
    def reader(self) -> ReleaseReader:
        """Reads releases of the repository, and those that are in no commit yet."""
        return ReleaseReader(self._blobs)

    def _blobs(self, ids: Iterable[str]) -> Mapping[str, bytes]:
        ours = {blob_id(data): data for data in self._on_top.values() if data is not None}
        asked = set(ids)
        found = {one: ours[one] for one in asked & ours.keys()}
        return found | dict(self._repository.blobs(asked - ours.keys()))


def _is_judged(path: str) -> bool:
    if path in {PIPELINE, DATA_LOCK}:
        return True
    return path.startswith(_JUDGED) and (place_of(path) is not None or not path.startswith(f"{SOURCES}/"))


def _content(tree: Tree, path: str) -> bytes | None:
    try:
        return tree.read(path)
    except KeyError:
        return None
