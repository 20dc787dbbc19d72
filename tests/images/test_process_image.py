"""Images of model versions as directories."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bighead_ci.errors import InputError
from bighead_ci.images import process
from bighead_ci.images.engine import engine_digest, package_directory
from bighead_ci.images.lock import read_pins, unsatisfied
from bighead_ci.images.process import ProcessImageBuilder
from fakes.local_bench import write_model


@pytest.fixture
def builder(tmp_path: Path) -> ProcessImageBuilder:
    return ProcessImageBuilder(tmp_path / "images of a team")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tiny" / "v1", max_concurrency=7)


def test_what_was_planned_is_what_is_built(builder: ProcessImageBuilder, model: Path) -> None:
    """`plan` names the digest without building; `build` gives it; building again changes nothing."""
    digest = builder.plan(model, "tiny", "v1")
    assert builder.find(digest) is None
    built = builder.build(model, "tiny", "v1")
    assert built.digest == digest
    assert builder.build(model, "tiny", "v1") == builder.find(digest) == built


@pytest.mark.parametrize(
    "name", ["README.md", "dvc.lock", "out/artifact/model.onnx", ".gitignore", "__pycache__/a.pyc"]
)
def test_what_does_not_run_changes_no_digest(builder: ProcessImageBuilder, model: Path, name: str) -> None:
    """Card, stage results and caches are not part of the image."""
    before = builder.plan(model, "tiny", "v1")
    (model / name).parent.mkdir(parents=True, exist_ok=True)
    (model / name).write_text("anything")
    assert builder.plan(model, "tiny", "v1") == before


@pytest.mark.parametrize("name", ["model.py", "model.yaml", "requirements.lock", "helpers/names.py"])
def test_what_runs_changes_the_digest(builder: ProcessImageBuilder, model: Path, name: str) -> None:
    """Code, definition and lock are."""
    before = builder.plan(model, "tiny", "v1")
    file = model / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text((file.read_text() if file.exists() else "") + "# a comment\n")
    assert builder.plan(model, "tiny", "v1") != before


def test_another_engine_gives_another_image(
    builder: ProcessImageBuilder, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variant is shipped with an engine; a changed engine is another image."""
    before = builder.plan(model, "tiny", "v1")
    monkeypatch.setattr(process, "engine_digest", lambda: f"sha256:{'e' * 64}")
    assert builder.plan(model, "tiny", "v1") != before


@pytest.mark.parametrize("damage", ["changed", "missing", "extra"])
def test_a_damaged_image_is_not_found_and_can_be_built_again(
    builder: ProcessImageBuilder, model: Path, damage: str
) -> None:
    """A changed, missing or extra file is seen; building repairs."""
    built = builder.build(model, "tiny", "v1")
    victim = builder.directory(built.digest) / "engine" / "bighead_ci" / "errors.py"
    victim.chmod(0o644)
    if damage == "changed":
        victim.write_text(victim.read_text() + "# evil\n")
    elif damage == "missing":
        victim.unlink()
    else:
        victim.with_name("extra.py").write_text("")
    assert builder.find(built.digest) is None
    assert builder.build(model, "tiny", "v1") == builder.find(built.digest) == built


def test_the_frozen_engine_runs_by_itself(builder: ProcessImageBuilder, model: Path) -> None:
    """The copy of the engine in the image is importable and has the digest that the image names."""
    built = builder.build(model, "tiny", "v1")
    engine = builder.directory(built.digest) / "engine"
    code = "from bighead_ci.images.engine import engine_digest, package_directory as p; print(engine_digest(), p())"
    done = subprocess.run(
        [sys.executable, "-B", "-P", "-c", code],
        env={"PYTHONPATH": str(engine)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split(maxsplit=1) == [built.engine, f"{engine.resolve() / 'bighead_ci'}\n"]


def test_serving_settings_are_in_the_image(builder: ProcessImageBuilder, model: Path) -> None:
    """The process gets the limits that model.yaml states."""
    built = builder.build(model, "tiny", "v1")
    assert '"max_concurrency": 7' in (builder.directory(built.digest) / "serving.json").read_text()


def test_a_satisfied_lock_makes_no_environment(builder: ProcessImageBuilder, model: Path) -> None:
    """The interpreter that has every pin already is used as it is."""
    assert builder.build(model, "tiny", "v1").interpreter is None


def test_a_missing_lock_says_how_to_make_one(builder: ProcessImageBuilder, model: Path) -> None:
    """No lock is an input error with the command that writes it."""
    (model / "requirements.lock").unlink()
    with pytest.raises(InputError, match="uv pip compile"):
        builder.plan(model, "tiny", "v1")


def test_every_line_that_is_no_pin_is_reported(model: Path) -> None:
    """All bad lines at once, with their numbers."""
    lock = model / "requirements.lock"
    lock.write_text("numpy==2.0.0 \\\n    --hash=sha256:00\nonnx>=1\npillow==11.*\nnot a requirement at all!\n")
    with pytest.raises(InputError) as raised:
        read_pins(lock)
    assert [problem.line for problem in raised.value.problems] == [3, 4, 5]


def test_markers_of_other_platforms_are_passed_over(model: Path) -> None:
    """A universal lock names packages for machines that this one is not."""
    lock = model / "requirements.lock"
    lock.write_text(
        "# made by uv\n"
        "absent-package==1.0 ; sys_platform == 'nowhere' \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"
        "    # via something\n"
        "numpy==0.0.1 \\\n    --hash=sha256:00\n"
        "another-absent-package==2.0\n"
    )
    missing = unsatisfied(read_pins(lock))
    assert [text.split("==")[0] for text in missing] == ["numpy", "another-absent-package"]


def test_an_environment_that_cannot_be_made_is_an_input_error(
    builder: ProcessImageBuilder, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the installer says about the lock reaches the author, and nothing half-made is taken for whole."""
    monkeypatch.setenv("UV_OFFLINE", "1")
    (model / "requirements.lock").write_text(f"absent-package==1.0 --hash=sha256:{'0' * 64}\n")
    for _ in range(2):
        with pytest.raises(InputError, match="absent-package"):
            builder.build(model, "tiny", "v1")


def test_delivery_code_is_not_part_of_the_engine_digest(tmp_path: Path) -> None:
    """A change of the command line retrains nothing; a change of a kernel does."""
    for name in ("cli/main.py", "features/kernel.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("one")
    before = engine_digest(tmp_path)
    (tmp_path / "cli/main.py").write_text("two")
    assert engine_digest(tmp_path) == before
    (tmp_path / "features/kernel.py").write_text("two")
    assert engine_digest(tmp_path) != before
    assert engine_digest() == engine_digest(package_directory())
