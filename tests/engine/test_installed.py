"""Components of the engine that is installed here; what every engine does is in the conformance suite."""

from __future__ import annotations

import pytest

from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.planning.stages import SERVING_ENTRY_POINT, STAGES


def test_an_extra_counts_where_it_is_asked_for() -> None:
    """`fsspec[tqdm]`, which scmrepo requires, brings tqdm; nobody asks for the extras of this engine here."""
    engine = InstalledEngine()
    assert "tqdm" in engine.with_required({"scmrepo"})
    assert "tqdm" not in engine.with_required({"fsspec"})
    assert "bentoml" not in engine.with_required({"bighead-ci"})


@pytest.mark.parametrize("module", [*(stage.module for stage in STAGES), SERVING_ENTRY_POINT])
def test_every_entry_point_of_this_engine_has_a_component_of_its_own(module: str) -> None:
    """None is the whole engine, and none holds commands, reports or gates."""
    files = InstalledEngine().component({module}).files
    assert f"{module.removeprefix('bighead_ci.').replace('.', '/')}.py" in files
    folders = {path.split("/")[0] for path in files}
    assert folders.isdisjoint({"cli", "reporting", "policy", "forge", "definitions", "demo", "wiring"})


def test_the_component_of_training_is_without_the_transforms_that_only_models_import() -> None:
    """A model that uses the torch estimator has it in its own key."""
    train = next(stage for stage in STAGES if stage.name == "train")
    assert "transforms/torch_estimator.py" not in InstalledEngine().component({train.module}).files
    found = InstalledEngine().component({train.module, "bighead_ci.transforms.torch_estimator"})
    assert "torch" in found.distributions
