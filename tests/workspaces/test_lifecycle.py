"""A workspace is made whole, whatever the person's git is like and whenever the making was killed."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bighead_ci.clocks import ShiftedClock
from bighead_ci.definitions.tree import blob_id
from bighead_ci.errors import InputError
from bighead_ci.processes import record
from bighead_ci.workspaces import repositories
from bighead_ci.workspaces.layout import Workspace
from bighead_ci.workspaces.lifecycle import create_workspace, set_moment, workspace_in
from fakes.repositories import git, opinionated_git

FILES = {
    ".gitignore": "*.parquet\n",
    "dvc.lock": "stages: {}\n",
    "environments/prod/environment.yaml": "platform: local\r\n",
    "models/late/v1/serving.lock": "numpy==1\n",
    "models/late/v1/golden_rows.json": "[]\n",
}


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    directory = tmp_path / "seed"
    for name, text in FILES.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(text.encode())
    (directory / "data.parquet").write_text("is data")
    return directory


def make(directory: Path, seed: Path) -> Workspace:
    return create_workspace(directory, seed, None, lambda *_: None)


def first_commit(directory: Path) -> dict[str, str]:
    """Path → content id of what main holds."""
    listed = git(directory / "forge.git", "ls-tree", "-r", "main").splitlines()
    return {line.split("\t")[1]: line.split()[2] for line in listed}


@pytest.mark.parametrize("opinionated", [False, True])
def test_the_first_commit_holds_every_file_of_the_seed(
    tmp_path: Path, seed: Path, monkeypatch: pytest.MonkeyPatch, opinionated: bool
) -> None:
    """Byte for byte, but for what its own .gitignore leaves out; nobody's signing, hooks or patterns count."""
    if opinionated:
        opinionated_git(tmp_path / "home", monkeypatch)
    make(tmp_path / "w", seed)
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    assert first_commit(tmp_path / "w") == {name: blob_id(text.encode()) for name, text in FILES.items()}
    assert git(tmp_path / "w" / "clone", "status", "--porcelain") == ""
    assert not list((tmp_path / "w").glob("*/.git/hooks/*"))
    assert not list((tmp_path / "w").glob("forge.git/hooks/*"))


@pytest.mark.parametrize("after", range(8))
def test_a_making_that_was_killed_is_made_anew(
    tmp_path: Path, seed: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Killed before each of its steps: the same call then ends with a whole workspace."""
    steps = iter(range(after))
    run = repositories._git

    def killed(*arguments: str) -> None:
        if next(steps, None) is None:
            raise KeyboardInterrupt
        run(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(repositories, "_git", killed)
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path / "w", seed)
    assert workspace_in(tmp_path / "w") is None
    made = make(tmp_path / "w", seed)
    assert workspace_in(tmp_path / "w") == made
    assert sorted(first_commit(tmp_path / "w")) == sorted(FILES)


def test_what_somebody_else_has_there_is_not_touched(tmp_path: Path, seed: Path) -> None:
    """A clone that no making left is named, and a whole workspace is not made twice."""
    mine = tmp_path / "w" / "clone" / "mine"
    mine.parent.mkdir(parents=True)
    mine.write_text("work")
    with pytest.raises(InputError, match=r"already there: .*clone"):
        make(tmp_path / "w", seed)
    assert mine.read_text() == "work"
    shutil.rmtree(mine.parent)
    make(tmp_path / "w", seed)
    with pytest.raises(InputError, match="has a workspace already"):
        make(tmp_path / "w", seed)


def test_a_workspace_lives_now_unless_it_was_given_a_moment(tmp_path: Path, seed: Path) -> None:
    """The demonstration's October 2013 is nobody else's."""
    assert make(tmp_path / "w", seed).clock_offset_seconds == 0.0


def test_the_moment_of_a_workspace_can_be_set_and_cleared(tmp_path: Path, seed: Path) -> None:
    """What its clock says follows; online features of the moment before are gone."""
    made = create_workspace(tmp_path / "w", seed, datetime(2013, 10, 1, 21, tzinfo=UTC), lambda *_: None)
    made.online_store.mkdir()
    moved = set_moment(made, datetime(2026, 1, 10, tzinfo=UTC))
    assert workspace_in(tmp_path / "w") == moved
    assert not made.online_store.exists()
    lived = ShiftedClock(timedelta(seconds=moved.clock_offset_seconds)).now() - datetime(2026, 1, 10, tzinfo=UTC)
    assert timedelta() <= lived < timedelta(minutes=1)
    assert set_moment(moved, None).clock_offset_seconds == 0.0


def test_a_workspace_that_runs_keeps_its_moment(tmp_path: Path, seed: Path) -> None:
    """What runs would go on living at the old one: it is named, and nothing changes."""
    made = make(tmp_path / "w", seed)
    directory = made.platform / "prod" / "variants" / "late-v1"
    directory.mkdir(parents=True)
    record(os.getpid(), directory / "pid.json")
    with pytest.raises(InputError, match=r"runs \(platform/prod/variants/late-v1\).*bighead workspace stop"):
        set_moment(made, datetime(2026, 1, 10, tzinfo=UTC))
    assert workspace_in(tmp_path / "w") == made
