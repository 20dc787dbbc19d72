"""What of main a verdict rests on."""

from __future__ import annotations

from typing import Any

import pytest

from bighead_ci.definitions.files import Files
from bighead_ci.documents.plan import ChangedFile, Plan, PlannedModel, ReleaseChange
from bighead_ci.planning.verdict_inputs import touched, verdict_inputs
from fakes.memory_tree import MemoryTree, repository

MERGED = Files(MemoryTree(repository()))
RELEASE = "environments/prod/late.yaml"


def plan(**parts: Any) -> Plan:
    nothing: dict[str, Any] = {"files": [], "models": [], "impacts": [], "releases": [], "policies": []}
    return Plan(base="0" * 40, head="1" * 40, removed_models=[], **(nothing | parts))


def move(name: Any) -> ReleaseChange:
    return ReleaseChange(
        environment="prod", model="late", move=name, description="d", weight_before=0, weight_after=100
    )


def test_a_model_rests_on_the_policies_and_on_what_it_is_made_of() -> None:
    """Its own files, its feature sets and sources, and the data."""
    model = PlannedModel(model="late", version="v1", content_key=f"sha256:{'0' * 64}", because=[])
    found = verdict_inputs(plan(models=[model]), MERGED)
    assert found == {"policies", "dvc.lock", "models/late/v1", "features/delays/v1", "features/sources/flights.yaml"}


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("promote", {RELEASE, "environments/prod/environment.yaml", "policies", "environments/staging/late.yaml"}),
        ("settings", {RELEASE, "environments/prod/environment.yaml"}),
        ("remove", {RELEASE, "environments/prod/environment.yaml"}),
        ("advance", {RELEASE}),
        ("retire", {RELEASE}),
        ("rollback", {RELEASE}),
    ],
)
def test_a_move_rests_on_what_its_gates_read(name: str, inputs: set[str]) -> None:
    """A canary's step and a way back on the release alone, and so on what is rendered of it."""
    assert verdict_inputs(plan(releases=[move(name)]), MERGED) == inputs | {"environments/prod/rendered/late"}


def test_what_both_change_is_always_an_input() -> None:
    """The merge would hold something that nobody judged."""
    files = [ChangedFile(path="README.md", change="modified")]
    assert verdict_inputs(plan(files=files), MERGED) == {"README.md"}


def test_touched_takes_files_and_directories() -> None:
    """A name that only begins alike is another thing."""
    paths = [
        "policies/a.yaml",
        "policies_old/a.yaml",
        "models/late/v1/model.py",
        "models/late/v10/model.py",
        "dvc.lock",
    ]
    assert touched({"policies", "models/late/v1", "dvc.lock"}, paths) == [
        "dvc.lock",
        "models/late/v1/model.py",
        "policies/a.yaml",
    ]
