"""The stage list and the `dvc.yaml` that is a view of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bighead_ci.definitions.files import Files
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.stages.failure import forget_failure, leave_failure, read_failure
from bighead_ci.errors import BugError, InputError, Problem, RetryError
from bighead_ci.planning.dvc_pipeline import dvc_yaml
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.stages import INPUTS_STAGE, STAGES
from fakes.engine import MemoryEngine
from fakes.stage_checkout import DIRECTORY, write_checkout


def generated(root: Path) -> str:
    return dvc_yaml(DirectoryTree(root), "late", "v1")


def test_the_same_tree_gives_the_same_text(tmp_path: Path) -> None:
    """Generated in another place, byte by byte."""
    assert generated(write_checkout(tmp_path / "one")) == generated(write_checkout(tmp_path / "two"))


def test_every_stage_runs_the_same_command_as_people_do(tmp_path: Path) -> None:
    """From the root of the repository."""
    stages = yaml.safe_load(generated(write_checkout(tmp_path)))["stages"]
    assert list(stages) == [INPUTS_STAGE, *(stage.name for stage in STAGES)]
    for name, stage in stages.items():
        assert stage["cmd"] == f"bighead stage {name} {DIRECTORY}"
        assert name == INPUTS_STAGE or f"{DIRECTORY}/out/inputs/{name}.json" in stage["deps"]
        assert (tmp_path / DIRECTORY / stage["wdir"]).resolve() == tmp_path.resolve()


def test_what_a_stage_needs_another_leaves_or_people_write(tmp_path: Path) -> None:
    """No dangling dependency: files, data and what other stages leave."""
    stages = yaml.safe_load(generated(write_checkout(tmp_path)))["stages"]
    left = {path for stage in stages.values() for path in stage["outs"]}
    needed = {path for stage in stages.values() for path in stage.get("deps", [])}
    assert [path for path in sorted(needed - left) if not (tmp_path / path).is_file()] == []


def test_what_dvc_depends_on_is_what_the_keys_are_made_of(tmp_path: Path) -> None:
    """Each file and each source's data in a stage's key is a dependency of that stage, and no other file is."""
    root = write_checkout(tmp_path)
    (root / DIRECTORY / "vocabulary.txt").write_text("words")
    stages = yaml.safe_load(generated(root))["stages"]
    inputs = Inputs(Files(DirectoryTree(root)), MemoryEngine())
    for name, named in inputs.of(inputs.definitions.model("late", "v1")).stages.items():
        keyed = {key.split(":", 1)[1] for key in named if key.startswith(("file:", "data:"))}
        deps = {path for path in stages[name]["deps"] if not path.startswith(f"{DIRECTORY}/out/")}
        assert deps == keyed, name
    assert f"{DIRECTORY}/vocabulary.txt" in stages["train"]["deps"]


@pytest.mark.parametrize(
    "error",
    [
        InputError([Problem(file="a.yaml", line=3, subject="x", message="is wrong")]),
        InputError("plain"),
        RetryError("full"),
        BugError("odd"),
    ],
)
def test_a_failure_crosses_the_process_whole(tmp_path: Path, error: Exception) -> None:
    """Kind, text and problems are what they were."""
    with pytest.raises(type(error)), leave_failure(tmp_path):
        raise error
    found = read_failure(tmp_path)
    assert type(found) is type(error)
    assert str(found) == str(error)
    assert getattr(found, "problems", None) == getattr(error, "problems", None)
    forget_failure(tmp_path)
    assert read_failure(tmp_path) is None
