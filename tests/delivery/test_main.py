"""One snapshot of main a command, and the log of releases behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bighead_ci.definitions.release_file import render_release
from bighead_ci.delivery import release_log
from bighead_ci.delivery.main import Mainline
from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.release import Release, Variant
from bighead_ci.errors import InputError
from fakes.clock import FixedClock
from fakes.forge import MemoryRepository
from fakes.memory_tree import repository as repository_files

START = datetime(2026, 1, 1, tzinfo=UTC)
PATH = "environments/{}/{}.yaml"


class CountingRepository(MemoryRepository):
    """Counts what a log costs."""

    def __init__(self, clock: FixedClock) -> None:
        super().__init__(clock)
        self.asked: list[tuple[str, ...]] = []

    def changes(self, revision: str, *paths: str, **options: Any) -> Any:
        self.asked.append(paths)
        return super().changes(revision, *paths, **options)


@pytest.fixture
def repository() -> CountingRepository:
    return CountingRepository(FixedClock(START))


def release(artifact: int) -> Release:
    variant = Variant(
        version="v1",
        image=f"local/late@sha256:{'0' * 64}",
        artifact=f"sha256:{artifact:064}",
        run="r",
        commit="0" * 40,
        weight=100,
    )
    return Release(variants=[variant], canary=CanaryPlan(steps=[100], soak="5s", minimum_requests=0))


def edit(repository: CountingRepository, number: int, environment: str = "prod", model: str = "late") -> str:
    """Release an artifact, a minute after what was before."""
    assert isinstance(repository.clock, FixedClock)
    repository.clock.moment += timedelta(minutes=1)
    changes = {PATH.format(environment, model): render_release(release(number)).encode()}
    return repository.commit("main", "main", changes, f"release {number}", "ada")


def test_a_snapshot_stays_as_it_was(repository: CountingRepository) -> None:
    """Main moves on; what a command looks at does not."""
    edit(repository, 1)
    mainline = Mainline(repository)
    before = mainline.at()
    assert mainline.at() is before
    edit(repository, 2)
    assert before.desired.release("prod", "late") == release(1)
    assert mainline.at().desired.release("prod", "late") == release(2)


def test_a_branch_of_another_name_is_a_snapshot_of_its_own(repository: CountingRepository) -> None:
    """What main says does not stand in for it."""
    first = edit(repository, 1)
    repository.commit("topic", first, {PATH.format("prod", "late"): None}, "gone", "ada")
    mainline = Mainline(repository)
    assert mainline.at("topic").desired.release("prod", "late") is None
    assert mainline.at().desired.release("prod", "late") == release(1)


def test_the_log_of_a_later_commit_reads_only_what_is_new(repository: CountingRepository) -> None:
    """It holds everything all the same, newest first."""
    commits = [edit(repository, number) for number in range(5)]
    mainline = Mainline(repository)
    assert [e.commit.id for e in mainline.at().log.all()] == commits[::-1]
    commits.append(edit(repository, 5, model="other"))
    commits.append(edit(repository, 6))
    repository.asked.clear()
    log = mainline.at().log
    assert [e.commit.id for e in log.all()] == commits[::-1]
    assert [e.commit.id for e in log.of("prod", "other")] == [commits[5]]
    assert len(repository.asked) == 1


def test_a_main_that_was_set_back_has_a_log_of_its_own(repository: CountingRepository) -> None:
    """Somebody's force push: what is no longer on the line is in no log."""
    first = edit(repository, 1)
    edit(repository, 2)
    mainline = Mainline(repository)
    mainline.at().log.all()
    repository.branches["main"] = first
    assert [e.commit.id for e in mainline.at().log.all()] == [first]
    last = edit(repository, 3)
    assert [e.commit.id for e in mainline.at().log.all()] == [last, first]


@pytest.mark.parametrize("page", [1, 2, 3, 128])
def test_pages_make_no_difference(repository: CountingRepository, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a page ends, each edit is there once; other files of an environment are none."""
    monkeypatch.setattr(release_log, "FIRST_PAGE", page)
    commits = []
    for number in range(8):
        commits.append(edit(repository, number, model="late" if number % 3 else "other"))
        repository.commit("main", "main", {"environments/prod/environment.yaml": b"%d" % number}, "e", "ada")
    log = Mainline(repository).at().log
    of_other = [e.commit.id for e in log.of("prod", "other")]
    assert [e.commit.id for e in log.all()] == commits[::-1]
    assert of_other == [e.commit.id for e in log.of("prod", "other")] == commits[::-1][1::3]
    assert [e.commit.id for e in log.of("prod", "late", limit=1)] == [commits[-1]]


def test_an_edit_knows_what_was_before(repository: CountingRepository) -> None:
    """Content ids of the release before and after; None where there was none."""
    edit(repository, 1)
    edit(repository, 2)
    repository.commit("main", "main", {PATH.format("prod", "late"): None}, "gone", "ada")
    main = Mainline(repository).at()
    pairs = [(e.before, e.after) for e in main.log.of("prod", "late")]
    read = [tuple(main.reader.attempt("prod", "late", content)[0] for content in pair) for pair in pairs]
    assert read == [(release(2), None), (release(1), release(2)), (None, release(1))]


def test_an_environment_that_cannot_be_read_stands_in_the_way_of_its_own_releases(
    repository: CountingRepository,
) -> None:
    """The others are as they are; asking for it says why it cannot be read."""
    edit(repository, 1)
    edit(repository, 2, environment="staging")
    environments = {
        "prod": b"platform: [\n",
        "staging": repository_files()["environments/staging/environment.yaml"].encode(),
    }
    files = {f"environments/{name}/environment.yaml": text for name, text in environments.items()}
    repository.commit("main", "main", files, "oops", "ada")
    desired = Mainline(repository).at().desired
    assert desired.release("prod", "late") == release(1)
    assert list(desired.stuck) == [("prod", "late")]
    assert [placed.environment for placed in desired.serving("late")] == ["prod", "staging"]
    with pytest.raises(InputError, match=r"prod/environment\.yaml"):
        desired.environment("prod")
