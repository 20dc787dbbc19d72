"""Components of an engine: what a module imports, and what it does not."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.errors import BugError
from bighead_ci.planning.stages import SERVING_ENTRY_POINT, STAGES
from bighead_ci.ports.engine import WHOLE

FILES = {
    "__init__.py": "",
    "errors.py": "",
    "a/__init__.py": "import json\n",
    "a/one.py": "from bighead_ci import errors\nimport numpy.linalg\n",
    "a/two.py": "from bighead_ci.a import one\n\ndef late():\n    import yaml\n",
    "b/__init__.py": "",
    "b/dynamic.py": "import importlib\nimportlib.import_module('bighead_ci.' + x)\n",
    "b/reader.py": "from pathlib import Path\nHERE = Path(__file__)\n",
    "b/page.jinja": "<p>\n",
}


@pytest.fixture
def engine(tmp_path: Path) -> InstalledEngine:
    for path, text in FILES.items():
        file = tmp_path / "bighead_ci" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return InstalledEngine(tmp_path / "bighead_ci")


def test_a_component_is_all_that_its_modules_import(engine: InstalledEngine) -> None:
    """Directly or not, with the packages that they are in; distributions with their versions."""
    component = engine.component({"bighead_ci.a.two"})
    assert list(component.files) == ["__init__.py", "a/__init__.py", "a/one.py", "a/two.py", "errors.py"]
    assert component.distributions == {"numpy": metadata.version("numpy"), "pyyaml": metadata.version("pyyaml")}


@pytest.mark.parametrize("root", ["bighead_ci.b.dynamic", "bighead_ci.b.reader", WHOLE])
def test_what_cannot_be_told_is_the_whole_engine(engine: InstalledEngine, root: str) -> None:
    """A module that computes what it imports, or finds files by its place, stands for everything, data files too."""
    assert sorted(engine.component({root}).files) == sorted(FILES)


def test_an_edit_changes_the_components_that_it_is_part_of(engine: InstalledEngine) -> None:
    """And no other; a comment counts, for only running would tell that it does not."""
    before = {root: engine.component({root}).digest for root in ("bighead_ci.a.one", "bighead_ci.a.two")}
    (engine.package / "a/two.py").write_text(FILES["a/two.py"] + "# more\n")
    after = InstalledEngine(engine.package)
    assert after.component({"bighead_ci.a.one"}).digest == before["bighead_ci.a.one"]
    assert after.component({"bighead_ci.a.two"}).digest != before["bighead_ci.a.two"]


def test_a_module_that_is_not_there_is_our_fault(engine: InstalledEngine) -> None:
    """Its name is said."""
    with pytest.raises(BugError, match=r"no module bighead_ci\.a\.three"):
        engine.component({"bighead_ci.a.three"})
    assert not engine.has("bighead_ci.a.three")


def test_a_distribution_that_is_not_installed_is_said_to_be_absent(engine: InstalledEngine) -> None:
    """An optional import is an input too: once it is installed, something else may run."""
    (engine.package / "a/one.py").write_text("try:\n    import surely_not_installed\nexcept ImportError: ...\n")
    assert InstalledEngine(engine.package).component({"bighead_ci.a.one"}).distributions == {
        "surely-not-installed": "absent"
    }


def test_what_a_library_requires_counts_with_it(engine: InstalledEngine) -> None:
    """Directly or not, each with its version; what is not installed is said to be absent."""
    found = engine.with_required({"scikit-learn", "surely-not-installed"})
    assert {"scikit-learn", "numpy", "scipy", "joblib"} < found.keys()
    absent = found.pop("surely-not-installed")
    assert (absent, found) == ("absent", {name: metadata.version(name) for name in found})


def test_an_extra_counts_where_it_is_asked_for(engine: InstalledEngine) -> None:
    """`fsspec[tqdm]`, which scmrepo requires, brings tqdm; nobody asks for the extras of this engine here."""
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


def test_the_version_of_python_is_that_of_the_process() -> None:
    """Major and minor."""
    assert InstalledEngine().python == f"{sys.version_info.major}.{sys.version_info.minor}"
