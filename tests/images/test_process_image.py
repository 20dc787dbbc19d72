"""Images of model versions as directories; what every builder does is in the conformance suite."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bighead_ci.documents.image import ImageRecipe, ImageRef
from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.images.process import ProcessImageBuilder
from bighead_ci.images.python_environments import PythonEnvironments
from bighead_ci.ports.progress import silent
from fakes.edited_engine import EditedEngine
from fakes.local_bench import image_recipe, satisfied_lock
from fakes.memory_tree import MemoryTree

ENGINE = InstalledEngine()


@pytest.fixture
def builder(tmp_path: Path) -> ProcessImageBuilder:
    return another(tmp_path / "images of a team")


def another(directory: Path) -> ProcessImageBuilder:
    return ProcessImageBuilder(directory / "images", ENGINE, PythonEnvironments(directory / "environments"))


def recipe_of() -> tuple[ImageRecipe, MemoryTree]:
    return image_recipe("tiny", "v1", ENGINE, satisfied_lock())


@pytest.fixture
def built(builder: ProcessImageBuilder) -> ImageRef:
    return builder.ensure(*recipe_of(), silent)


def directory(builder: ProcessImageBuilder, built: ImageRef) -> Path:
    return builder.root / built.reference.rpartition(":")[2]


def test_every_file_of_an_image_is_in_its_digest(builder: ProcessImageBuilder, built: ImageRef) -> None:
    """All that the process can run lies in the image, and an edit of any of it is seen."""
    image = directory(builder, built)
    files = [path for path in image.rglob("*") if path.is_file()]
    manifest = json.loads((image / "image.json").read_text())
    assert {path.relative_to(image).as_posix() for path in files} == {*manifest["files"], "image.json"}
    for file in files:
        file.chmod(0o644)
        before = file.read_bytes()
        file.write_bytes(before + b"#")
        assert builder.find(built.reference) is None, file
        file.write_bytes(before)
    assert builder.find(built.reference) is not None


def test_two_engines_never_share_a_reference(builder: ProcessImageBuilder, built: ImageRef, tmp_path: Path) -> None:
    """Whichever file of what the process runs differs; what it does not run makes no difference."""
    references = {built.reference}
    component = recipe_of()[0].engine
    for path in component:
        edited = EditedEngine(ENGINE, path)
        environments = PythonEnvironments(tmp_path / "environments")
        other = ProcessImageBuilder(tmp_path / "others", edited, environments)
        recipe, tree = image_recipe("tiny", "v1", edited, satisfied_lock())
        references.add(other.ensure(recipe, tree, silent).reference)
    assert len(references) == 1 + len(component)
    command = image_recipe("tiny", "v1", EditedEngine(ENGINE, "cli/main.py"), satisfied_lock())
    assert builder.ensure(*command, silent) == built


@pytest.mark.parametrize("damage", ["changed", "missing", "extra"])
def test_a_damaged_image_is_not_found_and_is_built_again(
    builder: ProcessImageBuilder, built: ImageRef, damage: str
) -> None:
    """A changed, missing or extra file is seen; building gives the same again."""
    victim = directory(builder, built) / "engine" / "bighead_ci" / "errors.py"
    victim.chmod(0o644)
    if damage == "changed":
        victim.write_text(victim.read_text() + "# evil\n")
    elif damage == "missing":
        victim.unlink()
    else:
        victim.with_name("extra.py").write_text("")
    assert builder.find(built.reference) is None
    assert builder.ensure(*recipe_of(), silent) == built
    assert builder.find(built.reference) is not None


def test_the_frozen_engine_holds_what_serving_imports_and_no_more(
    builder: ProcessImageBuilder, built: ImageRef
) -> None:
    """Its entry point can be imported from the image alone; commands, gates and reports are not in it."""
    engine = directory(builder, built) / "engine"
    code = "import bighead_ci.entry_points.serving as s; print(s.__file__)"
    done = subprocess.run(
        [sys.executable, "-B", "-P", "-c", code],
        env={"PYTHONPATH": str(engine)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(engine)
    assert {"cli", "policy", "reporting", "definitions"}.isdisjoint(p.name for p in (engine / "bighead_ci").iterdir())


def test_an_image_whose_environment_is_gone_is_not_found(builder: ProcessImageBuilder, built: ImageRef) -> None:
    """It could not run: what the lock says is not installed."""
    image = directory(builder, built)
    opened = builder.open(built.reference)
    assert opened is not None
    assert opened.interpreter == Path(sys.executable)
    lock = image / "lock.txt"
    lock.chmod(0o644)
    lock.write_text(satisfied_lock().replace("numpy", "surely-not-installed"))
    assert builder.find(built.reference) is None
