"""The git repository against what machines, people and attackers leave around it."""

from __future__ import annotations

import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bighead_ci.errors import InputError, RetryError
from bighead_ci.git import process
from bighead_ci.git.repository import GitRepository
from bighead_ci.git.tree import READS_BEFORE_LISTING
from fakes.clock import FixedClock
from fakes.repositories import begin_repository, git


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    return GitRepository(begin_repository(tmp_path / "forge.git"))


def test_variables_of_a_hook_are_ignored(repository: GitRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    """GIT_DIR and its like, set when a hook calls us, do not point git at another repository."""
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_WORK_TREE", "GIT_AUTHOR_DATE"):
        monkeypatch.setenv(name, "/nowhere")
    commit = repository.commit("main", repository.resolve("main"), {"a": b"1"}, "m", "ada")
    assert GitRepository(repository.git.directory).tree(commit).read("a") == b"1"


def test_directory_inside_a_work_tree_is_enough(tmp_path: Path) -> None:
    """Any directory of a clone stands for its repository, and paths are still the repository's."""
    clone = begin_repository(tmp_path / "clone", bare=False)
    (clone / "models" / "deep").mkdir(parents=True)
    repository = GitRepository(clone / "models" / "deep")
    commit = repository.commit("x", repository.resolve("main"), {"models/a": b"text", "b": b"text"}, "m", "ada")
    assert sorted(repository.tree(commit).files()) == ["b", "models/a"]
    assert repository.tree(commit).containing("text", ["b"]) == ["b"]


def test_a_directory_that_is_no_repository_is_refused(tmp_path: Path) -> None:
    """The error names the directory."""
    with pytest.raises(InputError, match="not a git repository"):
        GitRepository(tmp_path)


@pytest.mark.parametrize("shown", ["git version 2.37.9", "git version 1.9", "strange"])
def test_old_git_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: str) -> None:
    """A git that cannot merge without a work tree is refused with both versions named."""
    program = tmp_path / "git"
    program.write_text(f"#!/bin/sh\necho '{shown}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=f"{shown} is too old; version 2.38"):
        process.check_version.__wrapped__()


def test_missing_git_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without git is told what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"not installed; version 2\.38"):
        process.check_version.__wrapped__()


def test_a_tag_cannot_stand_for_a_branch(repository: GitRepository) -> None:
    """A pushed tag `main`, or a branch named like a commit id, does not redirect anybody."""
    first = repository.resolve("main")
    second = repository.commit("main", first, {"a": b"1"}, "m", "ada")
    git(repository.git.directory, "tag", "main", first)
    git(repository.git.directory, "update-ref", f"refs/heads/{second}", first)
    assert repository.resolve("main") == repository.resolve(second) == second


def test_replaced_objects_are_read_as_they_are(repository: GitRepository) -> None:
    """A pushed refs/replace cannot give a commit other files."""
    main = repository.resolve("main")
    good = repository.commit("good", main, {"a": b"good"}, "m", "ada")
    evil = repository.commit("evil", main, {"a": b"evil"}, "m", "ada")
    git(repository.git.directory, "update-ref", f"refs/replace/{good}", evil)
    assert GitRepository(repository.git.directory).tree(good).read("a") == b"good"


def test_a_checkout_leads_nowhere(repository: GitRepository, tmp_path: Path) -> None:
    """A symbolic link of a pull request becomes a plain file in a checkout."""
    bare = repository.git.directory
    blob = git(bare, "hash-object", "-w", "--stdin")
    tree = subprocess_tree(bare, f"120000 blob {blob}\tlink\n")
    commit = git(bare, "commit-tree", "-m", "link", tree)
    repository.checkout(commit, tmp_path / "out")
    assert not (tmp_path / "out" / "link").is_symlink()
    assert repository.tree(commit).read("link") == b""


def subprocess_tree(bare: Path, listing: str) -> str:
    """A tree object made of a listing."""
    done = process.run_git([f"--git-dir={bare}", "mktree", "--missing"], stdin=listing.encode())
    return done.stdout.decode().strip()


def test_submodules_are_no_files(repository: GitRepository) -> None:
    """A submodule is left out of the listing, and reading it is a KeyError."""
    bare = repository.git.directory
    blob = git(bare, "hash-object", "-w", "--stdin")
    main = repository.resolve("main")
    tree = subprocess_tree(bare, f"160000 commit {main}\tsub\n100644 blob {blob}\tfile\n")
    files = repository.tree(git(bare, "commit-tree", "-m", "m", tree))
    assert list(files.files()) == ["file"]
    with pytest.raises(KeyError):
        files.read("sub")


def test_a_checkout_is_a_repository_at_that_commit(repository: GitRepository, tmp_path: Path) -> None:
    """Tools find git in a checkout: HEAD is the commit, nothing is modified."""
    commit = repository.commit("x", repository.resolve("main"), {"a/b": b"1\r\n"}, "m", "ada")
    repository.checkout(commit, tmp_path / "out")
    assert git(tmp_path / "out", "rev-parse", "HEAD") == commit
    assert git(tmp_path / "out", "status", "--porcelain") == ""


def test_reader_survives_the_death_of_its_process(repository: GitRepository) -> None:
    """The process that reads objects can be killed or closed; the next read starts another."""
    commit = repository.commit("main", repository.resolve("main"), {"a": b"1"}, "m", "ada")
    assert repository.tree(commit).read("a") == b"1"
    process = repository.git.objects._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert repository.tree(commit).read("a") == b"1"
    with repository:
        pass
    assert repository.git.objects._process is None
    assert repository.tree(commit).read("a") == b"1"


def test_reader_is_closed_with_its_repository(repository: GitRepository) -> None:
    """No process outlives the repository that started it."""
    other = GitRepository(repository.git.directory)
    other.resolve("main")
    process = other.git.objects._process
    assert process is not None
    del other
    assert process.poll() is not None


def test_threads_read_their_own_files(repository: GitRepository) -> None:
    """Threads that read at once each get the file they asked for, small or large, by path or by id."""
    files: dict[str, bytes | None] = {f"f{n}": bytes([n % 256]) * (n * n) for n in range(2 * READS_BEFORE_LISTING)}
    tree = repository.tree(repository.commit("main", repository.resolve("main"), files, "m", "ada"))
    with ThreadPoolExecutor(8) as pool:
        read = dict(zip(files, pool.map(tree.read, files), strict=True))
    assert read == files


def test_commits_carry_the_clock_of_the_workspace(repository: GitRepository) -> None:
    """The date of a commit is the injected clock's."""
    moment = datetime(2013, 10, 1, 10, tzinfo=UTC)
    other = GitRepository(repository.git.directory, FixedClock(moment))
    other.commit("x", other.resolve("main"), {"a": b"1"}, "m", "ada")
    assert other.log("x")[0].at == moment


@pytest.mark.parametrize("author", ["", "<>", "a\nb", "a <b> c", "\ud800", "a\0b"])
def test_bad_authors_are_refused(repository: GitRepository, author: str) -> None:
    """An author that would break a commit's header is refused."""
    with pytest.raises(InputError, match="author"):
        repository.commit("x", repository.resolve("main"), {"a": b"1"}, "m", author)


def test_similar_branches_are_suggested(repository: GitRepository) -> None:
    """A mistyped branch gets the one that was meant."""
    with pytest.raises(InputError, match="did you mean main"):
        repository.resolve("mian")


@pytest.mark.parametrize("other", ["release/prod/late/x", "release/prod", "release"])
def test_a_branch_in_the_way_is_named_with_what_takes_it_away(repository: GitRepository, other: str) -> None:
    """Above or below the wanted name; once it is gone, the same call works."""
    main = repository.resolve("main")
    repository.commit(other, main, {"f": b"1"}, "m", "eve")
    with pytest.raises(InputError, match=f"git push origin --delete {other}`"):
        repository.commit("release/prod/late", main, {"f": b"2"}, "m", "ada")
    repository.delete_branch(other)
    assert repository.commit("release/prod/late", main, {"f": b"2"}, "m", "ada")


def test_a_full_disk_asks_for_space_and_leaves_nothing_behind(
    repository: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No crash report, no half of a pack; the same call works once there is space."""
    main = repository.resolve("main")
    files = {"f": os.urandom(65536)}
    before = sorted(repository.git.directory.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{git_that_fills_the_disk(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}")
        with pytest.raises(RetryError, match="the disk is full; free some space and run it again"):
            repository.commit("topic", main, files, "m", "ada")
    assert sorted(repository.git.directory.rglob("*")) == before
    assert repository.tree(repository.commit("topic", main, files, "m", "ada")).read("f") == files["f"]


def git_that_fills_the_disk(directory: Path) -> Path:
    """A directory with a git whose files cannot be larger than 4 KiB: its writes fail as on a full disk."""
    directory.mkdir()
    command = directory / "git"
    command.write_text(f"#!/bin/sh\ntrap '' XFSZ\nulimit -f 8\nexec {shutil.which('git')} \"$@\"\n")
    command.chmod(0o755)
    return directory
