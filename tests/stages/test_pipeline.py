"""The stage list and the `dvc.yaml` that is a view of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.stages.pipeline import STAGES, dvc_yaml
from bighead_ci.delivery.stages.report import forget_failure, leave_failure, read_failure
from bighead_ci.errors import BugError, InputError, Problem, RetryError
from fakes.stage_checkout import DIRECTORY, write_checkout


def generated(root: Path) -> str:
    return dvc_yaml(DirectoryTree(root), "late", "v1")


def test_the_same_tree_gives_the_same_text(tmp_path: Path) -> None:
    """Generated in another place, byte by byte."""
    assert generated(write_checkout(tmp_path / "one")) == generated(write_checkout(tmp_path / "two"))


def test_every_stage_runs_the_same_command_as_people_do(tmp_path: Path) -> None:
    """From the root of the repository."""
    stages = yaml.safe_load(generated(write_checkout(tmp_path)))["stages"]
    assert list(stages) == [stage.name for stage in STAGES]
    for name, stage in stages.items():
        assert stage["cmd"] == f"bighead stage {name} {DIRECTORY}"
        assert ".bighead/engine.json" in stage["deps"]
        assert (tmp_path / DIRECTORY / stage["wdir"]).resolve() == tmp_path.resolve()


def test_what_a_stage_needs_another_leaves_or_people_write(tmp_path: Path) -> None:
    """No dangling dependency; sources and feature sets are among them."""
    stages = yaml.safe_load(generated(write_checkout(tmp_path)))["stages"]
    left = {path for stage in stages.values() for path in stage["outs"]}
    needed = {path for stage in stages.values() for path in stage["deps"]}
    made = {".bighead/engine.json", "features/sources/flights.parquet"}
    assert [path for path in sorted(needed - left - made) if not (tmp_path / path).is_file()] == []
    assert {"features/delays/v1/feature_set.yaml", "features/sources/flights.yaml"} <= set(
        stages["training-set"]["deps"]
    )
    assert "features/delays/v1/expectations.yaml" in stages["quality"]["deps"]


def test_expectations_that_are_not_there_are_not_needed(tmp_path: Path) -> None:
    """A feature set may have none."""
    (write_checkout(tmp_path) / "features/delays/v1/expectations.yaml").unlink()
    assert "features/delays/v1/expectations.yaml" not in generated(tmp_path)


@pytest.mark.parametrize(
    "error",
    [InputError([Problem("a.yaml", 3, "x", "is wrong")]), InputError("plain"), RetryError("full"), BugError("odd")],
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
