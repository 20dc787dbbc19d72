"""DVC as people start it by hand: in any clone, with the settings that a repository of ours holds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bighead_ci import wiring
from bighead_ci.errors import InputError
from bighead_ci.orchestrators.dvc import DvcPipeline
from bighead_ci.orchestrators.dvc_settings import SETTINGS, share_cache
from bighead_ci.ports.progress import silent
from bighead_ci.wiring.contexts import pipeline_of
from bighead_ci.workspaces.layout import WORKSPACE_FILE, Workspace
from fakes.bags_repository import DATA, IMPORT, ROOT_PIPELINE, begin_bags, write
from fakes.repositories import git

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
SETTINGS_OF_THE_REPOSITORY = (".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose main has a source and a model, and as yet nothing that makes the data."""
    directory = tmp_path_factory.mktemp("clones")
    begun = begin_bags(directory / "begun", DvcPipeline(directory / "cache"))
    seed = directory / "seed"
    left_out = shutil.ignore_patterns(".git", ".dvc", ".bighead", "*.parquet", "import_*.py")
    shutil.copytree(begun, seed, ignore=left_out)
    for name in ("dvc.yaml", "dvc.lock"):
        (seed / name).unlink()
    (seed / ".dvc").mkdir()
    for name in SETTINGS_OF_THE_REPOSITORY:
        shutil.copyfile(ROOT / name, seed / name)
    wiring.create_workspace(directory / "w", seed, None)
    return directory / "w"


def clone_of(workspace: Path, directory: Path) -> Path:
    """A clone with the stage that makes the data, not committed."""
    if not directory.exists():
        git(workspace, "clone", "--quiet", str(workspace / "forge.git"), str(directory))
    write(directory, {"dvc.yaml": ROOT_PIPELINE.encode(), "features/sources/import_bags.py": IMPORT.encode()})
    return directory


def dvc(clone: Path, *arguments: str) -> str:
    """Run DVC as somebody at the keyboard does."""
    command = [sys.executable, "-m", "dvc", *arguments]
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = subprocess.run(command, cwd=clone, env=path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_dvc_works_in_any_clone_beside_the_pipelines_of_models(workspace: Path, tmp_path: Path) -> None:
    """`dvc repro` with and without a target, status, push and pull, though git ignores the `dvc.lock` of a model."""
    mine, other = clone_of(workspace, tmp_path / "mine"), tmp_path / "other"
    dvc(mine, "repro")
    locked = (mine / "dvc.lock").read_text()
    dvc(mine, "repro", "dvc.yaml")
    dvc(mine, "repro", "import_bags")
    assert (mine / "dvc.lock").read_text() == locked
    assert "import_bags" not in dvc(mine, "status")
    assert git(mine, "status", "--porcelain").split() == [
        "??",
        "dvc.lock",
        "??",
        "dvc.yaml",
        "??",
        "features/sources/import_bags.py",
    ]
    dvc(mine, "remote", "add", "--local", "--default", "store", str(tmp_path / "store"))
    dvc(mine, "push", "dvc.yaml")
    shutil.copytree(mine, other, ignore=shutil.ignore_patterns("cache", "tmp", "*.parquet"))
    dvc(other, "pull", "dvc.yaml")
    assert (other / DATA).read_bytes() == (mine / DATA).read_bytes()


def test_what_a_clone_imported_is_found_by_the_checks_without_another_import(workspace: Path) -> None:
    """An import that asks for more than its files is refused to a check; what a person made by it is not."""
    found = Workspace.read(workspace / "state" / WORKSPACE_FILE)
    pipeline, clone = pipeline_of(found), clone_of(workspace, workspace / "clone")
    checkout = clone_of(workspace, found.checkouts / "one")
    with pytest.raises(InputError, match="asks for more than its files"):
        pipeline.import_sources(checkout, silent)
    dvc(clone, "repro", "dvc.yaml")
    shutil.copyfile(clone / "dvc.lock", checkout / "dvc.lock")
    pipeline.import_sources(checkout, silent)
    assert (checkout / DATA).read_bytes() == (clone / DATA).read_bytes()


def test_settings_that_somebody_made_for_a_clone_stay(tmp_path: Path) -> None:
    """A remote and its password are there after a run, which adds where the cache is."""
    file = tmp_path / SETTINGS
    file.parent.mkdir()
    file.write_text(
        "['remote \"store\"']\n    password = secret    # mine\n[cache]\n    dir = elsewhere\n    type = copy\n"
    )
    share_cache(tmp_path, tmp_path / "cache")
    first = file.read_text()
    assert "password = secret    # mine" in first
    assert "type = copy" in first
    assert f"dir = {tmp_path / 'cache' / 'content'}" in first
    share_cache(tmp_path, tmp_path / "cache")
    assert file.read_text() == first


def test_settings_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """The file, and what to do."""
    file = tmp_path / SETTINGS
    file.parent.mkdir()
    file.write_text("[core\n")
    with pytest.raises(InputError, match=r"config\.local: .*mend it or delete it"):
        share_cache(tmp_path, tmp_path / "cache")
