"""The example models are what their generated files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from bighead_ci.definitions.check import check_tree
from bighead_ci.definitions.files import LOCKS, Files
from bighead_ci.definitions.lock_file import read_pins
from bighead_ci.definitions.scaffold import default_lock
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.images.python_environments import unsatisfied
from bighead_ci.model_code.code import ModelCode
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.locks import Lock, needed_by_engine
from bighead_ci.planning.versions import version_problems
from bighead_ci.tasks.registry import task_named

ROOT = Path(__file__).resolve().parents[2]
COMPILED = [
    "flight_delay/v1",
    "flight_delay/v2",
    "digit_reader/v1",
    "arrival_delay/v1",
    "late_departure/v1",
    "aircraft_seats/v1",
    "delay_network/v1",
]
"""Those whose processes need no library that they were trained with."""
PYTHON = ["aircraft_size/v1", "punctuality_table/v1", "digit_network/v1"]
"""Those whose own code answers."""
VERSIONS = COMPILED + PYTHON
OTHER_ENVIRONMENTS = {
    "late_departure/v1": {"training.lock": ["lightgbm"]},
    "digit_network/v1": {"training.lock": ["keras", "tensorflow-cpu"], "serving.lock": ["keras", "tensorflow-cpu"]},
}
"""Version → lock → what it has otherwise than the engine's environment: e2e/test_frameworks.py makes these."""


@pytest.mark.parametrize("version", VERSIONS)
def test_an_example_builds_and_what_is_generated_is_up_to_date(version: str) -> None:
    """Its dvc.yaml is the generated one, its locks have what is imported there, its code gives an estimator."""
    name, number = version.split("/")
    inputs = Inputs(Files(DirectoryTree(ROOT)), InstalledEngine())
    assert version_problems(inputs, name, number) == []
    if "keras" in OTHER_ENVIRONMENTS.get(version, {}).get("serving.lock", []):
        return  # its code runs in no other environment than its own
    code = ModelCode(ROOT / "models" / version, f"models/{version}")
    definition = inputs.definitions.model(name, number).definition
    if not code.trains:
        assert callable(code.build(definition.parameters, ("fit", task_named(definition.task).scored_by)).fit)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_engines_environment_satisfies_the_locks_of_the_examples(version: str) -> None:
    """So few examples need an environment of their own; of those, what they have otherwise is known."""
    files = Files(DirectoryTree(ROOT))
    for lock in LOCKS:
        found = files.lock(f"models/{version}/{lock}")
        missing = {one.split()[0] for one in unsatisfied(found.pins)}
        wanted = OTHER_ENVIRONMENTS.get(version, {}).get(lock, [])
        assert (missing >= set(wanted), bool(missing), found.problems) == (True, bool(wanted), ())


@pytest.mark.parametrize("lock", ["training", "serving"])
def test_the_locks_that_a_new_model_starts_with_are_up_to_date(lock: Lock) -> None:
    """They have what the engine imports there, at the versions of the engine's own lock (`make lock` writes them)."""
    pins, problems = read_pins(lock, default_lock(f"{lock}.lock"))
    assert problems == []
    assert needed_by_engine(InstalledEngine(), lock) <= {pin.name for pin in pins}
    assert unsatisfied(pins) == []


def test_the_examples_have_no_problems() -> None:
    """What `bighead check` says of the models."""
    files = [f"models/{version}/{file}" for version in VERSIONS for file in ("model.yaml", *LOCKS)]
    assert check_tree(DirectoryTree(ROOT), files) == []


@pytest.mark.parametrize("version", COMPILED)
def test_a_lock_names_no_registry_and_no_training_library_serves(version: str) -> None:
    """The process of a compiled model carries no torch, booster, scikit-learn, MLflow or DVC."""
    files = Files(DirectoryTree(ROOT))
    for lock in LOCKS:
        found = files.lock(f"models/{version}/{lock}")
        assert b"http://" not in found.text
        assert b"https://" not in found.text
    names = {pin.name for pin in found.pins}
    assert names.isdisjoint(
        {"torch", "lightgbm", "xgboost-cpu", "scikit-learn", "mlflow", "dvc", "pandas", "duckdb", "cel-expr-python"}
    )
    assert {"onnxruntime", "bentoml", "lmdb"} <= names
