"""What says that refs moved: the real one, on a repository that git writes, and the double in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bighead_ci.clocks import SystemClock
from bighead_ci.forge.local import LocalForge
from bighead_ci.git.ref_watch import SETTLED_SECONDS, RefWatch
from bighead_ci.git.repository import GitRepository
from bighead_ci.ports.forge import Forge
from bighead_ci.ports.repository import Repository
from bighead_ci.runner.watch import Refs
from fakes.forge import MemoryForge, MemoryRepository
from fakes.repositories import begin_repository, git
from fakes.runner import MemoryRefs


class Bench:
    """A repository, its forge, and what watches both."""

    def __init__(self, repository: Repository, forge: Forge, refs: Refs, settle: Callable[[], None]) -> None:
        self.repository = repository
        self.forge = forge
        self.refs = refs
        self.settle = settle

    @contextmanager
    def moves(self) -> Iterator[None]:
        """The block moves something, and nothing moved before or moves afterwards."""
        self.quiet()
        yield
        assert self.refs.moved()
        self.quiet()

    def quiet(self) -> None:
        """What was seen is settled."""
        self.settle()
        self.refs.moved()
        assert not self.refs.moved()

    def grow(self, branch: str) -> str:
        """One commit more on a branch."""
        known = branch == "main" or self._has(branch)
        parent = self.repository.resolve(branch if known else "main")
        return self.repository.commit(branch, parent, {"f": str(time.time_ns()).encode()}, "change", "ada")

    def _has(self, branch: str) -> bool:
        try:
            self.repository.resolve(branch)
        except Exception:  # noqa: BLE001 - whatever it is: it is not there
            return False
        return True


@pytest.fixture(params=["git", "packed", "memory"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    if request.param == "memory":
        memory = MemoryRepository()
        forge = MemoryForge(memory, SystemClock())
        return Bench(memory, forge, MemoryRefs(forge), lambda: None)
    directory = begin_repository(tmp_path / "forge.git")
    if request.param == "packed":
        git(directory, "pack-refs", "--all")
    repository = GitRepository(directory)
    real = LocalForge(repository, SystemClock(), "ada")
    return Bench(repository, real, RefWatch(directory), lambda: time.sleep(SETTLED_SECONDS * 1.5))


def test_the_first_answer_is_yes(bench: Bench) -> None:
    """Whoever watches has seen nothing yet."""
    assert bench.refs.moved()


def test_every_move_of_a_ref_is_noticed(bench: Bench) -> None:
    """A commit on main, new branches at any depth, their next commits, and their end."""
    with bench.moves():
        bench.grow("main")
    for branch in ("topic", "release/prod/late"):
        with bench.moves():
            bench.grow(branch)
        with bench.moves():
            bench.grow(branch)
        with bench.moves():
            bench.repository.delete_branch(branch)


def test_every_change_of_a_pull_request_is_noticed(bench: Bench) -> None:
    """Opened, commented on, its checks, its end."""
    head = bench.grow("topic")
    with bench.moves():
        number = bench.forge.open("topic", "main", "A title", "").number
    with bench.moves():
        bench.forge.comment(number, "report", "text")
    with bench.moves():
        bench.forge.set_check(head, "bighead/ci", "success", "passed")
    with bench.moves():
        bench.forge.close(number)


def test_two_changes_in_one_tick_of_the_file_system_are_both_noticed(bench: Bench) -> None:
    """A directory's time may stay the same: what is fresh is looked at again."""
    for _ in range(30):
        bench.grow("main")
        assert bench.refs.moved()
        seen = bench.repository.resolve("main")
        newest = bench.grow("main")
        assert newest != seen
        assert bench.refs.moved()
