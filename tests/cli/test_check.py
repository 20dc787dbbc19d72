"""`bighead check` in a clone: what a pull request of the work tree would be refused for, committed or not."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bighead_ci.cli.check import check_command
from bighead_ci.definitions.files import LOCKS
from bighead_ci.definitions.release_file import render_release
from bighead_ci.definitions.scaffold import default_lock
from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.release import Release, Variant
from bighead_ci.git_environment import git_environment
from bighead_ci.workspaces import variables
from bighead_ci.workspaces.repositories import AUTHOR
from fakes.memory_tree import DELAYS, FLIGHTS, dedented, repository

SET_FILE = "features/delays/v1/feature_set.yaml"
SOURCE_FILE = "features/sources/flights.yaml"
CODE = "models/late/v1/model.py"
RELEASE = "environments/prod/late.yaml"
CANARY = CanaryPlan(steps=[10, 50, 100], soak="8s", minimum_requests=200)
SERVING = Release(
    variants=[
        Variant(
            version="v1",
            image="local/late@sha256:" + "a" * 64,
            artifact="sha256:" + "b" * 64,
            run="c" * 32,
            commit="d" * 40,
            weight=100,
        )
    ],
    canary=CANARY,
)


def git(directory: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=directory, env=git_environment() | AUTHOR, check=True, capture_output=True)


def write(directory: Path, **texts: str) -> None:
    for path, text in texts.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)


@pytest.fixture(scope="module")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which late/v1 serves in prod, and a clone of it."""
    place = tmp_path_factory.mktemp("cloned")
    shared, clone = place / "shared", place / "clone"
    shared.mkdir()
    locks = {f"models/late/v1/{name}": default_lock(name).decode() for name in LOCKS}
    write(shared, **repository(), **{"features/sources/.gitignore": "*.parquet\n", RELEASE: render_release(SERVING)})
    write(shared, **locks)
    CliRunner().invoke(check_command, ["--write", "--checkout", str(shared)])
    git(shared, "init", "--quiet", "--initial-branch=main")
    commit(shared)
    git(place, "clone", "--quiet", str(shared), str(clone))
    return place


@pytest.fixture
def place(cloned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(variables.STATE, raising=False)
    monkeypatch.chdir(tmp_path)
    copied = tmp_path / "copied"
    shutil.copytree(cloned, copied)
    git(copied / "clone", "remote", "set-url", "origin", str(copied / "shared"))
    return copied


@pytest.fixture
def clone(place: Path) -> Path:
    return place / "clone"


def commit(directory: Path) -> None:
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", "x")


def check(directory: Path, *arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(check_command, ["--json", "--checkout", str(directory), *arguments])
    found: dict[str, Any] = json.loads(done.output)
    assert done.exit_code == (1 if found["problems"] else 0)
    return found


def problems(directory: Path, *arguments: str) -> list[str]:
    return [f"{one['file']}: {one['message']}" for one in check(directory, *arguments)["problems"]]


def test_a_clone_without_changes_has_no_problems(clone: Path) -> None:
    """What is on main is allowed, and the answer names the commit that it was compared with."""
    found = check(clone)
    assert found["problems"] == []
    assert len(found["main"]["commit"]) == 40
    assert found["main"]["fetched"] is None


def test_a_file_beside_the_repository_needs_no_git(clone: Path) -> None:
    """Without git, or without origin/main, one line says why nothing was compared, and all else is checked."""
    git(clone, "remote", "remove", "origin")
    assert check(clone)["main"] == {"why_not": "there is no origin/main, as a clone of a workspace has"}
    shutil.rmtree(clone / ".git")
    assert check(clone)["main"] == {"why_not": "this is not the root of a git work tree"}
    done = CliRunner().invoke(check_command, ["--checkout", str(clone)])
    assert done.exit_code == 0
    assert "not compared with main: this is not the root of a git work tree" in done.output


def test_an_edit_of_what_serves_is_refused_before_it_is_committed(clone: Path) -> None:
    """A version that serves is frozen, whether the edit is committed or only lies in the work tree."""
    (clone / CODE).write_text("def build(parameters): ...\n\n\n")
    frozen = f"{CODE}: late/v1 serves in prod and may not be edited in place (model.py)"
    assert problems(clone) == [frozen]
    commit(clone)
    assert problems(clone) == [frozen]
    assert problems(clone, "models/late") == [frozen]
    assert problems(clone, "policies") == []


def test_what_serves_may_not_change_its_meaning_or_go(clone: Path) -> None:
    """A feature set behind a release is frozen too, and its removal is refused."""
    write(clone, **dedented({SET_FILE: DELAYS.replace("1h, 7d", "2h, 7d")}))
    assert problems(clone) == [
        f"{SET_FILE}: delays/v1 is used by late/v1 (serves in prod) and may not change its meaning in place"
    ]
    git(clone, "checkout", "--quiet", ".")
    shutil.rmtree(clone / "models/late")
    assert problems(clone) == ["models/late/v1: late/v1 serves in prod and may not be removed while it does"]
    (clone / RELEASE).unlink()
    assert problems(clone) == []


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_release_changes_by_moves_only(clone: Path, is_committed: bool) -> None:
    """A release edited by hand is no move that there is; told from main's history, before any pull request."""
    other = SERVING.variants[0].model_copy(update={"version": "v2"})
    (clone / RELEASE).write_text(render_release(Release(variants=[other], canary=CANARY)))
    if is_committed:
        commit(clone)
    (found,) = problems(clone)
    assert "this edit is no move that a release can make" in found


def test_a_special_or_unrendered_file_of_a_release_is_refused(clone: Path) -> None:
    """Modes and rendered files are judged as the checks judge them, though nothing is committed."""
    (clone / RELEASE).chmod(0o755)
    write(clone, **{"environments/prod/rendered/late/deployment.yaml": "kind: Deployment\n"})
    assert problems(clone) == [
        f"{RELEASE}: is an executable, a symbolic link or a submodule",
        "environments/prod/rendered/late/deployment.yaml: no release renders this file",
    ]


def test_what_main_changed_meanwhile_counts_once_it_is_fetched(place: Path, clone: Path) -> None:
    """Main is merged in thought: as it was fetched last, and conflicts are named with the way out."""
    write(place / "shared", **dedented({SOURCE_FILE: FLIGHTS.replace("owner: flights", "owner: others")}))
    shutil.rmtree(place / "shared/models")
    (place / "shared" / RELEASE).unlink()
    commit(place / "shared")
    assert check(clone)["main"]["behind"] is False
    git(clone, "fetch", "--quiet")
    (clone / CODE).write_text("def build(parameters): ...\n\n\n")
    found = check(clone)
    assert found["main"]["behind"] is True
    assert found["main"]["fetched"] is not None
    assert "models/late/v1/model.yaml: there is no such file, but its directory exists" in problems(clone)
    write(clone, **dedented({SOURCE_FILE: FLIGHTS.replace("owner: flights", "owner: mine")}))
    commit(clone)
    conflicts = problems(clone)
    assert [one.split(":")[0] for one in conflicts] == [SOURCE_FILE, CODE]
    assert all(one.endswith(": git merge origin/main") for one in conflicts)


def test_a_run_of_what_main_changed_is_refused(place: Path, clone: Path) -> None:
    """A new version is trained from the branch's files: where main has others, its record is of neither."""
    shutil.copytree(clone / "models/late/v1", clone / "models/late/v2")
    assert CliRunner().invoke(check_command, ["--write", "--checkout", str(clone)]).exit_code == 0
    commit(clone)
    write(place / "shared", **{"dvc.lock": repository()["dvc.lock"].replace("aaaa", "bbbb")})
    commit(place / "shared")
    git(clone, "fetch", "--quiet")
    (found,) = problems(clone)
    assert found.startswith("models/late/v2/model.yaml: main changed what this version is made of")


def test_data_without_a_snapshot_is_found(clone: Path) -> None:
    """A version whose data nobody made yet cannot be trained by the checks."""
    shutil.copytree(clone / "models/late/v1", clone / "models/late/v2")
    CliRunner().invoke(check_command, ["--write", "--checkout", str(clone)])
    (clone / "dvc.lock").unlink()
    write(clone, **{"dvc.yaml": "stages: {a: {cmd: x, outs: [features/sources/flights.parquet]}}\n"})
    (found,) = check(clone)["problems"]
    assert (found["file"], found["subject"]) == ("dvc.lock", "features/sources/flights.parquet")
    assert "dvc repro" in found["message"]


def test_gates_that_cannot_be_read_on_main_are_found(place: Path, clone: Path) -> None:
    """A new version waits for a gate of main's that nobody can read; a change that mends it does not."""
    broken = place / "shared/policies/whole.yaml"
    whole = broken.read_text()
    broken.write_text(whole.replace("owner:", "ownr:"))
    commit(place / "shared")
    git(clone, "pull", "--quiet")
    shutil.copytree(clone / "models/late/v1", clone / "models/late/v2")
    git(clone, "update-index", "--assume-unchanged", "policies/whole.yaml")
    (clone / "policies/whole.yaml").write_text(whole)
    found = CliRunner().invoke(check_command, ["--write", "--checkout", str(clone), "models/late/v2"])
    assert found.exit_code == 0, found.output
    assert any(one.startswith("policies/whole.yaml: ") for one in problems(clone))
    git(clone, "update-index", "--no-assume-unchanged", "policies/whole.yaml")
    assert problems(clone) == []


def test_what_git_ignores_is_in_no_commit(clone: Path) -> None:
    """A lock that the person's own git ignores is missing on the pull request, and is said to be ignored."""
    (clone / ".git/info/exclude").write_text("*.lock\n")
    shutil.copytree(clone / "models/late/v1", clone / "models/late/v2")
    ignored = "git ignores this file, so no commit has it: git add --force"
    assert [one for one in problems(clone) if "ignores" in one] == [
        f"models/late/v2/{lock}: {ignored} models/late/v2/{lock}" for lock in sorted(LOCKS)
    ]


def test_a_file_that_git_ignores_is_read_by_nobody_and_is_no_problem(clone: Path) -> None:
    """Left-overs of an editor are in no commit: they make no dvc.yaml stale."""
    (clone / ".git/info/exclude").write_text("*~\n.DS_Store\n")
    write(clone, **{f"{CODE}~": "x", "policies/.DS_Store": "x", "features/delays/v1/.DS_Store": "x"})
    assert problems(clone) == []


def test_data_that_lies_here_as_a_directory_is_found(clone: Path) -> None:
    """Git ignores it, so only the disk tells."""
    (clone / "features/sources/flights.parquet").mkdir()
    assert problems(clone) == [f"{SOURCE_FILE}: is a directory here: let its stage write its rows into one file"]


def test_data_in_git_is_refused(clone: Path) -> None:
    """DVC would refuse to keep what git keeps."""
    write(clone, **{"features/sources/flights.parquet": "PAR1"})
    assert problems(clone) == []
    git(clone, "add", "--force", "features/sources/flights.parquet")
    (found,) = problems(clone)
    assert found.startswith("features/sources/flights.parquet: data of a source is kept by DVC and not in git")
    commit(clone)
    assert len(problems(clone)) == 1


def test_outputs_of_stages_in_git_are_refused(clone: Path) -> None:
    """What a commit says of a run never counts, and the checks refuse to see it."""
    write(clone, **{"models/late/v1/dvc.lock": "schema: '2.0'\n"})
    (found,) = problems(clone)
    assert found.startswith("models/late/v1/dvc.lock: stages leave this")


def test_a_linked_work_tree_is_one_too(place: Path, clone: Path) -> None:
    """`git worktree add` makes another directory of the same clone."""
    git(clone, "worktree", "add", "--quiet", "-b", "topic", str(place / "linked"))
    (place / "linked" / CODE).write_text("def build(parameters): ...\n\n\n")
    assert len(problems(place / "linked")) == 1
    assert problems(clone) == []
