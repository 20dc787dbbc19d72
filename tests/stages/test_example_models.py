"""The example models are what their generated files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from bighead_ci.definitions.check import check_tree
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.stages.model_code import ModelCode
from bighead_ci.delivery.stages.pipeline import dvc_yaml
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.train import authored_golden_rows

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ["flight_delay/v1", "flight_delay/v2", "digit_reader/v1"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_example_builds_and_its_pipeline_is_up_to_date(version: str) -> None:
    """Its dvc.yaml is the generated one, its golden rows are inputs, its code gives a classifier."""
    place = StagePlace(ROOT, f"models/{version}")
    name, number = version.split("/")
    assert (place.path / "dvc.yaml").read_text() == dvc_yaml(place.tree, name, number)
    assert authored_golden_rows(place)
    code = ModelCode(place.path / "model.py", "model.py")
    assert callable(code.build(place.model.definition.parameters).fit)


def test_the_examples_have_no_problems() -> None:
    """What `bighead check` says of the models."""
    files = [f"models/{version}/model.yaml" for version in VERSIONS]
    assert check_tree(DirectoryTree(ROOT), files) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lock_names_no_registry_and_no_training_library(version: str) -> None:
    """A model's process carries no torch, scikit-learn, MLflow or DVC."""
    text = (ROOT / "models" / version / "requirements.lock").read_text()
    assert "http://" not in text
    assert "https://" not in text
    names = {line.split("==")[0] for line in text.splitlines() if "==" in line}
    assert names.isdisjoint({"torch", "scikit-learn", "mlflow", "dvc", "pandas", "duckdb"})
    assert {"onnxruntime", "bentoml", "lmdb"} <= names
