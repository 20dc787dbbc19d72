"""The local forge under races, kills and what is left of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bighead_ci.clocks import SystemClock
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.errors import BigheadError, InputError, RetryError
from bighead_ci.forge.local import LocalForge
from bighead_ci.forge.pull_store import CHECKS, PULLS
from bighead_ci.git.process import RefUpdate
from bighead_ci.git.ref_watch import RefWatch
from bighead_ci.git.repository import GitRepository
from fakes.repositories import begin_repository, git

KILLED_MERGE = """
import os, signal, sys
from pathlib import Path
from bighead_ci.git.repository import GitRepository
from bighead_ci.forge.local import LocalForge
from bighead_ci.forge.pull_store import CHECKS, PULLS
from bighead_ci.git.process import RefUpdate
from bighead_ci.git.ref_watch import RefWatch
from bighead_ci.clocks import SystemClock

repository = GitRepository(Path(sys.argv[1]))
keep = int(sys.argv[2])
real = repository.git.update_refs

def cut_short(updates):
    real(list(updates)[:keep]) if keep else None
    os.kill(os.getpid(), signal.SIGKILL)

forge = LocalForge(repository, SystemClock(), "grace")
pull = forge.get(1)
repository.git.update_refs = cut_short
forge.merge(1, pull.head)
"""


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return begin_repository(tmp_path / "forge.git")


@pytest.fixture
def forge(bare: Path) -> LocalForge:
    return forge_of(bare)


def forge_of(bare: Path, identity: str = "ada") -> LocalForge:
    """A forge as a new process would have it."""
    return LocalForge(GitRepository(bare), SystemClock(), identity)


def opened(forge: LocalForge, branch: str, path: str | None = None) -> PullRequestSummary:
    """A branch with one file changed, and its pull request."""
    repository = forge.repository
    repository.commit(branch, repository.resolve("main"), {path or branch: branch.encode()}, branch, "ada")
    return forge.open(branch, "main", branch, "")


def together(actions: list[Callable[[], Any]]) -> list[Any]:
    """Do all at the same time; results or errors in order."""

    def safely(action: Callable[[], Any]) -> Any:
        try:
            return action()
        except BigheadError as error:
            return error

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(safely, actions))


def test_concurrent_opens_get_different_numbers(bare: Path, forge: LocalForge) -> None:
    """Six openers at once get six numbers, without gaps."""
    repository = forge.repository
    for n in range(6):
        repository.commit(f"b{n}", repository.resolve("main"), {f"f{n}": b"1"}, "m", "ada")
    results = together([partial(forge_of(bare).open, f"b{n}", "main", "t", "") for n in range(6)])
    assert sorted(pull.number for pull in results) == [1, 2, 3, 4, 5, 6]
    assert len(forge.find("open")) == 6


def test_concurrent_opens_of_one_branch_are_one(bare: Path, forge: LocalForge) -> None:
    """Processes that open the same branch at once end with one pull request."""
    repository = forge.repository
    repository.commit("topic", repository.resolve("main"), {"f": b"1"}, "m", "ada")
    results = together([partial(forge_of(bare).open, "topic", "main", f"t{n}", "") for n in range(5)])
    assert {pull.number for pull in results} == {1}
    assert len(forge.find()) == 1


def test_a_push_while_a_pull_request_is_opened_for_a_head_is_seen(
    bare: Path, forge: LocalForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever moves the branch between the look at it and the transaction wins, and the text is not written."""
    repository = forge.repository
    head = repository.commit("topic", repository.resolve("main"), {"f": b"1"}, "m", "ada")
    write = forge.store.write

    def pushed(*arguments: Any) -> Any:
        forge_of(bare).repository.commit("topic", head, {"f": b"2"}, "m", "eve")
        return write(*arguments)

    monkeypatch.setattr(forge.store, "write", pushed)
    with pytest.raises(RetryError, match="somebody else moved it first"):
        forge.open("topic", "main", "t", "", head=head)
    assert forge_of(bare).find() == []


def test_racing_merges_of_different_files_both_land(bare: Path, forge: LocalForge) -> None:
    """Two merges that race onto main both end in it, one after the other."""
    one, two = opened(forge, "one"), opened(forge, "two")
    results = together([partial(forge_of(bare).merge, p.number, p.head) for p in (one, two)])
    assert [pull.state for pull in results] == ["merged", "merged"]
    assert sorted(forge.repository.tree("main").files()) == ["one", "two"]
    assert len(forge.repository.log("main")) == 3


def test_racing_merges_of_one_file_have_one_winner(bare: Path, forge: LocalForge) -> None:
    """Two merges of the same file race: one wins, the other is told of the conflict, and main has the winner's."""
    one, two = opened(forge, "one", "same"), opened(forge, "two", "same")
    results = together([partial(forge_of(bare).merge, p.number, p.head) for p in (one, two)])
    winners = [r for r in results if isinstance(r, PullRequestSummary)]
    losers = [r for r in results if isinstance(r, InputError | RetryError)]
    assert (len(winners), len(losers)) == (1, 1)
    assert forge.repository.tree("main").read("same") == winners[0].source.encode()
    assert [p.state for p in forge.find()].count("open") == 1


def test_racing_merges_of_one_pull_request_make_one_commit(bare: Path, forge: LocalForge) -> None:
    """Four people press the button at once: one merge commit, everybody sees it merged."""
    pull = opened(forge, "topic")
    results = together([partial(forge_of(bare).merge, pull.number, pull.head) for _ in range(4)])
    assert {r.merge_commit for r in results} == {forge.repository.resolve("main")}
    assert len(forge.repository.log("main")) == 2


def test_no_comment_is_lost_in_a_race(bare: Path, forge: LocalForge) -> None:
    """Processes that comment and set checks at once all succeed, and everything they said is there."""
    pull = opened(forge, "topic")

    def post(n: int) -> None:
        own = forge_of(bare)
        own.comment(pull.number, f"m{n}", f"body {n}")
        own.set_check(pull.head, f"check/{n}", "success", "ok")

    results = together([partial(post, n) for n in range(4)])
    assert not [r for r in results if isinstance(r, BigheadError)]
    after = forge_of(bare).get(pull.number)
    assert {c.marker: c.body for c in after.comments} == {f"m{n}": f"body {n}" for n in range(4)}
    assert {check.name for check in forge.checks(pull.head)} == {f"check/{n}" for n in range(4)}


@pytest.mark.parametrize(("refs_moved", "state_left"), [(0, "open"), (1, "merged"), (2, "merged")])
def test_killed_merge_can_be_run_again(bare: Path, forge: LocalForge, refs_moved: int, state_left: str) -> None:
    """A merge killed before, between or after its refs moved reads as what main says, and a second run completes it."""
    pull = opened(forge, "topic")
    script = [sys.executable, "-c", KILLED_MERGE, str(bare), str(refs_moved)]
    killed = subprocess.run(script, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert forge_of(bare).get(pull.number).state == state_left
    merged = forge_of(bare).merge(pull.number, pull.head)
    assert merged.merge_commit == forge.repository.resolve("main")
    assert len(forge.repository.log("main")) == 2
    assert forge_of(bare).get(pull.number).summary == merged


def test_lock_of_a_killed_git_is_broken(bare: Path, forge: LocalForge) -> None:
    """A ref lock that nobody can be holding any more does not block merges for ever; a fresh one does for now."""
    pull = opened(forge, "topic")
    lock = bare / "refs" / "heads" / "main.lock"
    lock.touch()
    with pytest.raises(RetryError, match=r"main\.lock"):
        forge.merge(pull.number, pull.head)
    assert lock.exists()
    os.utime(lock, (time.time() - 3600, time.time() - 3600))
    assert forge.merge(pull.number, pull.head).state == "merged"
    assert not lock.exists()


def test_lock_of_a_killed_push_is_removed_by_whoever_watches(bare: Path, forge: LocalForge, tmp_path: Path) -> None:
    """A person's own git breaks no lock: once it is old, the watcher does, and the push goes through."""
    git(tmp_path, "clone", "--quiet", str(bare), "clone")
    git(tmp_path / "clone", "commit", "--quiet", "--allow-empty", "-m", "mine")
    lock = bare / "refs" / "heads" / "main.lock"
    lock.touch()
    RefWatch(bare).moved()
    assert lock.exists()
    os.utime(lock, (time.time() - 3600, time.time() - 3600))
    RefWatch(bare).moved()
    git(tmp_path / "clone", "push", "--quiet", "origin", "HEAD:main")
    assert forge.repository.log("main")[0].subject == "mine"


def test_history_of_a_pull_request_is_a_git_log(bare: Path, forge: LocalForge) -> None:
    """Each change is a commit by whoever made it, and the comment is a file anybody can read with git."""
    pull = opened(forge, "topic")
    forge_of(bare, "bighead-bot").comment(pull.number, "report", "The *report*\n")
    grace = forge_of(bare, "grace")
    grace.review(pull.number, approved=True)
    grace.merge(pull.number, pull.head)
    log = git(bare, "log", "--reverse", "--format=%an: %s", "refs/bighead/pulls/1").splitlines()
    assert log[:3] == ["ada: Open #1: topic", "bighead-bot: Comment: report", "grace: Approve"]
    assert log[3].startswith("grace: Merge as ")
    assert git(bare, "show", "refs/bighead/pulls/1:comments/report.md") == "The *report*"
    assert git(bare, "rev-parse", "refs/pull/1/head") == pull.head


def test_head_survives_garbage_collection(bare: Path, forge: LocalForge) -> None:
    """A head whose branch was deleted is kept by its own ref when git cleans up."""
    pull = opened(forge, "topic")
    forge.repository.delete_branch("topic")
    git(bare, "-c", "gc.reflogExpire=now", "gc", "--quiet", "--prune=now")
    assert forge_of(bare).merge(pull.number, pull.head).state == "merged"


def test_push_by_a_clone_moves_the_head(bare: Path, forge: LocalForge, tmp_path: Path) -> None:
    """A push from a clone, even a forced one, is seen at the next look."""
    pull = opened(forge, "topic")
    git(tmp_path, "clone", "--quiet", str(bare), "clone")
    git(tmp_path / "clone", "checkout", "--quiet", "-B", "topic", "origin/main")
    (tmp_path / "clone" / "f").write_text("1")
    git(tmp_path / "clone", "add", "f")
    git(tmp_path / "clone", "commit", "--quiet", "-m", "forced")
    git(tmp_path / "clone", "push", "--quiet", "--force", "origin", "topic")
    head = git(tmp_path / "clone", "rev-parse", "HEAD")
    assert forge.get(pull.number).head == head
    assert git(bare, "rev-parse", "refs/pull/1/head") == head


@pytest.mark.parametrize("lost", ["pull.json", "comments.json", "reviews.json", "body.md", "comments/report.md"])
def test_a_pull_request_without_one_of_its_files_is_named_and_mended(forge: LocalForge, lost: str) -> None:
    """Whatever part of it is lost, those who list go on, and it comes back as it was before."""
    opened(forge, "one")
    opened(forge, "two")
    forge.comment(1, "report", "words")
    whole = forge.get(1)
    version = forge.store.tip(1)
    damaged = forge.repository.write_commit([version], {lost: None}, "oops", "eve")
    forge.repository.git.update_refs([RefUpdate(f"{PULLS}1", damaged, version)])
    assert "refs/bighead/pulls/1" in forge.problems()[0]
    assert 2 in [pull.number for pull in forge.find()]
    with pytest.raises(InputError, match="cannot be read"):
        forge.get(1)
    (line,) = forge.repair()
    aside = line.rpartition(" ")[2]
    assert forge.repository.refs(aside) == {aside: damaged}
    assert (forge.get(1), forge.problems()) == (whole, [])


@pytest.mark.parametrize("name", ["x", "7"])
def test_what_never_was_a_pull_request_is_put_aside(forge: LocalForge, name: str) -> None:
    """A ref among those of pull requests that somebody made by hand."""
    opened(forge, "one")
    main = forge.repository.resolve("main")
    forge.repository.git.update_refs([RefUpdate(f"{PULLS}{name}", main, None)])
    assert f"{PULLS}{name}" in forge.problems()[0]
    (line,) = forge.repair()
    assert "for no version of it can be read" in line
    assert list(forge.repository.refs(PULLS)) == [f"{PULLS}1"]
    assert main in forge.repository.refs("refs/bighead/unreadable/").values()


def test_a_pull_request_whose_objects_are_gone_is_taken_away(bare: Path, forge: LocalForge) -> None:
    """As after a power loss: nothing can be put aside. What was said of a commit goes, too, and can be said anew."""
    head = opened(forge, "one").head
    forge.set_check(head, "a", "success", "d")
    (bare / CHECKS / head).write_text(f"{'2' * 40}\n")
    main = forge.repository.resolve("main")
    (bare / PULLS / "2").write_text(f"{'1' * 40}\n")
    forge.repository.git.update_refs([RefUpdate(f"{PULLS}x", main, None)])
    assert [problem.split(":")[0] for problem in forge.problems()] == [f"{PULLS}2", f"{PULLS}x"]
    *gone, aside = forge.repair()
    assert sorted(gone) == [
        f"{CHECKS}{head}: taken away, for {'2' * 12} is not in the repository any more",
        f"{PULLS}2: taken away, for {'1' * 12} is not in the repository any more",
    ]
    forge.set_check(head, "b", "success", "d")
    assert [check.name for check in forge.checks(head)] == ["b"]
    assert "what it was is refs/bighead/unreadable/x/" in aside
    assert ([pull.number for pull in forge.find()], forge.problems()) == ([1], [])


@pytest.mark.parametrize("content", [b"{", b'[{"name": "x"}]', b"7", b"\xff", None])
def test_checks_that_cannot_be_read_are_none_until_one_is_set(forge: LocalForge, content: bytes | None) -> None:
    """What is missing lets nothing through, and what is said next stands."""
    pull = opened(forge, "one")
    forge.set_check(pull.head, "a", "success", "d")
    _, version = forge.store.checks(pull.head)
    damaged = forge.repository.write_commit([version or ""], {"checks.json": content}, "oops", "eve")
    forge.repository.git.update_refs([RefUpdate(f"{CHECKS}{pull.head}", damaged, version)])
    assert forge.checks(pull.head) == []
    forge.set_check(pull.head, "b", "failure", "d")
    assert [check.name for check in forge.checks(pull.head)] == ["b"]


def test_protection_is_read_from_the_repository(bare: Path, forge: LocalForge) -> None:
    """Rules in the bare repository's git config hold for everybody."""
    pull = opened(forge, "topic")
    git(bare, "config", "--add", "bighead.requiredCheck", "bighead/ci")
    git(bare, "config", "--add", "bighead.requiredCheck", "bighead/gate/m/v1/auc")
    with pytest.raises(InputError) as caught:
        forge.merge(pull.number, pull.head)
    assert {p.subject for p in caught.value.problems} == {"bighead/ci", "bighead/gate/m/v1/auc"}


def test_processes_that_open_and_merge_at_once_all_succeed(bare: Path) -> None:
    """Three processes each open, comment on and merge three pull requests; all nine land."""
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.map(_ship_three, [(str(bare), n) for n in range(3)])
    forge = forge_of(bare)
    assert [p.number for p in forge.find("merged")] == list(range(9, 0, -1))
    assert len(forge.repository.tree("main").files()) == 9


def _ship_three(job: tuple[str, int]) -> None:
    forge = forge_of(Path(job[0]))
    for turn in range(3):
        pull = opened(forge, f"b-{job[1]}-{turn}")
        forge.comment(pull.number, "report", "text")
        forge.merge(pull.number, pull.head)
