"""What git says of a person's work tree: his settings count, and no name is misread."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bighead_ci.git.work_tree import WorkTree, work_tree_at
from fakes.repositories import git, opinionated_git

ODD = ["a b", "ä.txt", 'q"uote', "new\nline", "tab\there", "-dash", "? asked", "1 counted"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    place = tmp_path / "clone"
    place.mkdir()
    git(place, "init", "--quiet", "--initial-branch=main")
    (place / "kept.txt").write_text("1")
    (place / "gone.txt").write_text("1")
    (place / ".gitignore").write_text("*.parquet\n")
    git(place, "add", "--all")
    git(place, "commit", "--quiet", "--message", "begin")
    return place


def at(directory: Path) -> WorkTree:
    found = work_tree_at(directory)
    assert found is not None
    return found


def test_only_the_root_of_a_work_tree_is_one(directory: Path, tmp_path: Path) -> None:
    """Elsewhere paths would be of another directory than the one that is asked about."""
    (directory / "below").mkdir()
    assert work_tree_at(directory / "below") is None
    assert work_tree_at(tmp_path) is None
    git(tmp_path, "clone", "--quiet", "--bare", str(directory), "bare")
    assert work_tree_at(tmp_path / "bare") is None


def test_what_a_commit_of_everything_would_hold(directory: Path) -> None:
    """Changed, deleted and new files are uncommitted; what git ignores is nothing; staged counts as well."""
    assert at(directory).uncommitted == []
    (directory / "kept.txt").write_text("2")
    (directory / "gone.txt").unlink()
    (directory / "data.parquet").write_text("x")
    (directory / "staged.txt").write_text("x")
    git(directory, "add", "staged.txt")
    (directory / "new").mkdir()
    (directory / "new/file.txt").write_text("x")
    found = at(directory)
    assert found.uncommitted == ["gone.txt", "kept.txt", "new/file.txt", "staged.txt"]
    assert found.files == {".gitignore", "gone.txt", "kept.txt", "new/file.txt", "staged.txt"}
    assert found.special == []


def test_names_are_taken_literally(directory: Path) -> None:
    """Spaces, quotes, line breaks and letters of any language, new and changed."""
    for name in ODD:
        (directory / name).write_text("1")
    assert at(directory).uncommitted == sorted(ODD)
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", "odd")
    for name in ODD:
        (directory / name).write_text("2")
    assert at(directory).uncommitted == sorted(ODD)
    assert at(directory).files >= {*ODD}


def test_special_files_are_told(directory: Path) -> None:
    """What becomes executable or a link, whether git knows the file or not."""
    (directory / "kept.txt").chmod(0o755)
    (directory / "gone.txt").unlink()
    (directory / "gone.txt").symlink_to("kept.txt")
    (directory / "run.sh").write_text("x")
    (directory / "run.sh").chmod(0o755)
    (directory / "plain.txt").write_text("x")
    assert at(directory).special == ["gone.txt", "kept.txt", "run.sh"]
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", "special")
    (directory / "kept.txt").write_text("still executable")
    assert at(directory).special == []


def test_a_conflict_is_a_change(directory: Path) -> None:
    """A merge that waits for somebody leaves its files changed."""
    git(directory, "checkout", "--quiet", "-b", "topic")
    (directory / "kept.txt").write_text("theirs")
    git(directory, "commit", "--quiet", "--all", "--message", "theirs")
    git(directory, "checkout", "--quiet", "main")
    (directory / "kept.txt").write_text("ours")
    git(directory, "commit", "--quiet", "--all", "--message", "ours")
    with pytest.raises(Exception, match="merge"):
        git(directory, "merge", "topic")
    assert at(directory).uncommitted == ["kept.txt"]


def test_a_persons_own_patterns_count(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What his global settings ignore is in no commit of his; other opinions of his change nothing."""
    opinionated_git(tmp_path / "home", monkeypatch)
    for name in ("training.lock", "notes.txt"):
        (directory / name).write_text("x")
    assert at(directory).uncommitted == ["notes.txt"]


def test_when_was_fetched(directory: Path, tmp_path: Path) -> None:
    """Never, right after a clone; then at the last fetch."""
    git(tmp_path, "clone", "--quiet", str(directory), "other")
    assert at(tmp_path / "other").fetched is None
    git(tmp_path / "other", "fetch", "--quiet")
    fetched = at(tmp_path / "other").fetched
    assert fetched is not None
    assert fetched <= datetime.now(UTC)
