"""`bighead lock` with the real resolver, on an index that is a directory."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from uv import find_uv_bin

from bighead_ci.cli.locks import lock_command
from bighead_ci.definitions.check import check_tree
from bighead_ci.definitions.files import Files
from bighead_ci.definitions.lock_file import asked_for, packages
from bighead_ci.definitions.shared_locks import shared_path, shared_text
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.errors import InputError, RetryError
from bighead_ci.images import locks
from bighead_ci.images.locks import compile_lock
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.locks import lock_problems
from bighead_ci.wiring import stages
from fakes.engine import MemoryEngine
from fakes.memory_tree import repository
from fakes.wheels import only_these, write_wheel

pytestmark = pytest.mark.e2e
DIRECTORY = "models/late/v1"
TRAINS = MemoryEngine().edited("entry_points/stages/train.py", "import made_up_trainer\n")
ENGINE = TRAINS.edited("entry_points/serving.py", "import made_up_answerer\n")


def silent(_: str) -> None: ...


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "wheels"
    for version in ("1.0", "1.1"):
        write_wheel(directory, "made-up-trainer", version, ["numbers-of-nobody"])
        write_wheel(directory, "made-up-answerer", version)
    write_wheel(directory, "numbers-of-nobody", "3.0")
    write_wheel(directory, "lone-wolf", "1.0")
    write_wheel(directory, "old-friend-of-it", "1.0", ["made-up-trainer<1.1"])
    only_these(directory, monkeypatch)
    return directory


@pytest.fixture
def checkout(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A version without locks, and an engine that trains with `trainer` and answers with `answerer`."""
    assert wheels.is_dir()
    monkeypatch.setattr(stages, "installed_engine", lambda: ENGINE)
    directory = tmp_path / "checkout"
    for path, text in repository().items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    for name in ("training", "serving"):
        (directory / DIRECTORY / f"{name}.lock").write_text("")
    return directory


def lock(checkout: Path, *arguments: str, exit_code: int = 0) -> dict[str, list[str]]:
    changes: dict[str, list[str]] = locked(checkout, *arguments, exit_code=exit_code).get("changes", {})
    return changes


def locked(checkout: Path, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(lock_command, [DIRECTORY, *arguments, "--checkout", str(checkout), "--json"])
    assert done.exit_code == exit_code, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def wheel_pins(checkout: Path, *wanted: str) -> bytes:
    """As the engine's own lock would have them."""
    assert checkout.is_dir()
    return shared_text(compile_lock((), (), wanted, b"", silent))


def problems_of_tree(checkout: Path) -> list[str]:
    """Of its locks, and those that they share."""
    found = check_tree(DirectoryTree(checkout))
    return [str(problem) for problem in found if problem.file.endswith(".lock")]


def pins(checkout: Path, name: str) -> dict[str, str]:
    return packages(Files(DirectoryTree(checkout)).valid_lock(f"{DIRECTORY}/{name}.lock").pins)


def problems_of(checkout: Path) -> list[str]:
    inputs = Inputs(Files(DirectoryTree(checkout)), ENGINE)
    return [str(problem) for problem in lock_problems(inputs, inputs.definitions.model("late", "v1"))]


def test_a_lock_has_what_the_engine_needs_there_and_what_that_needs(checkout: Path) -> None:
    """With hashes and nobody's address; each lock its own."""
    assert len(problems_of(checkout)) == 2
    assert lock(checkout) == {
        "training": ["made-up-trainer 1.1 is new", "numbers-of-nobody 3.0 is new"],
        "serving": ["made-up-answerer 1.1 is new"],
    }
    assert pins(checkout, "training") == {"numbers-of-nobody": "3.0", "made-up-trainer": "1.1"}
    assert pins(checkout, "serving") == {"made-up-answerer": "1.1"}
    text = Files(DirectoryTree(checkout)).valid_lock(f"{DIRECTORY}/training.lock").text.decode()
    assert ("--hash=sha256:" in text, "://" in text, "find-links" in text) == (True, False, False)
    assert problems_of(checkout) == []


def test_what_is_asked_for_is_told_and_stays_until_it_is_dropped(checkout: Path) -> None:
    """Another version, then one thing more, then neither; what nobody spoke of stays as it was."""
    lock(checkout)
    assert lock(checkout, "--training", "made-up-trainer==1.0") == {
        "training": ["made-up-trainer 1.1 → 1.0"],
        "serving": [],
    }
    assert lock(checkout, "--serving", "old-friend-of-it")["training"] == []
    assert pins(checkout, "serving") == {
        "made-up-answerer": "1.1", "numbers-of-nobody": "3.0", "old-friend-of-it": "1.0", "made-up-trainer": "1.0"
    }  # fmt: skip
    assert lock(checkout) == {"training": [], "serving": []}
    assert asked_for((checkout / DIRECTORY / "training.lock").read_bytes()) == ["made-up-trainer==1.0"]
    gone = ("made-up-trainer 1.0", "numbers-of-nobody 3.0", "old-friend-of-it 1.0")
    assert lock(checkout, "--drop", "old-friend-of-it")["serving"] == [f"{name} is gone" for name in gone]
    assert asked_for((checkout / DIRECTORY / "serving.lock").read_bytes()) == []


def shared_by(checkout: Path, name: str) -> str | None:
    return Files(DirectoryTree(checkout)).valid_lock(f"{DIRECTORY}/{name}.lock").shared


def below(checkout: Path) -> set[str]:
    return {path.relative_to(checkout).as_posix() for path in (checkout / "models/_locks").glob("*")}


def test_what_a_lock_says_is_shared_by_digest_and_what_is_added_is_its_own(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One pin more is added to the engine's own; a pin otherwise makes another shared lock, the old one goes unused."""
    trainer = wheel_pins(checkout, "made-up-trainer==1.1", "numbers-of-nobody==3.0")
    monkeypatch.setattr(locks, "default_lock", lambda name: trainer if name == "training.lock" else b"")
    done = locked(checkout)
    engines, answerers = shared_path(trainer), shared_by(checkout, "serving")
    assert shared_by(checkout, "training") == engines
    assert done["written"] == sorted(
        [engines, str(answerers), f"{DIRECTORY}/serving.lock", f"{DIRECTORY}/training.lock"]
    )
    assert len((checkout / DIRECTORY / "training.lock").read_text().splitlines()) == 2
    added = locked(checkout, "--training", "lone-wolf")
    assert (added["written"], added["removed"]) == ([f"{DIRECTORY}/training.lock"], [])
    assert shared_by(checkout, "training") == engines
    assert "lone-wolf==1.0" in (checkout / DIRECTORY / "training.lock").read_text()
    assert "made-up-trainer" not in (checkout / DIRECTORY / "training.lock").read_text().partition("\n")[2]
    other = locked(checkout, "--training", "made-up-trainer==1.0")
    assert other["removed"] == [engines]
    assert below(checkout) == {str(shared_by(checkout, "training")), str(answerers)}
    back = locked(checkout, "--training", "made-up-trainer", "--drop", "lone-wolf")
    assert (shared_by(checkout, "training"), below(checkout)) == (engines, {engines, str(answerers)})
    assert back["changes"]["training"] == ["lone-wolf 1.0 is gone", "made-up-trainer 1.0 → 1.1"]
    assert locked(checkout) == {"changes": {"training": [], "serving": []}, "written": [], "removed": []}


def test_a_shared_lock_that_another_version_names_stays(checkout: Path) -> None:
    """Whoever leaves it; and the copy of a version names what its original does."""
    locked(checkout)
    first = shared_by(checkout, "training")
    shutil.copytree(checkout / DIRECTORY, checkout / "models/late/v2")
    assert locked(checkout, "--training", "made-up-trainer==1.0")["removed"] == []
    assert str(first) in below(checkout)
    assert Files(DirectoryTree(checkout)).valid_lock("models/late/v2/training.lock").shared == first


def test_a_lock_keeps_its_hashes_though_the_index_has_other_files(checkout: Path, wheels: Path) -> None:
    """What came later to a release is not in its lock: so the shared lock stays the same."""
    locked(checkout)
    before = below(checkout)
    with zipfile.ZipFile(wheels / "numbers_of_nobody-3.0-py3-none-any.whl", "a") as archive:
        archive.comment = b"another file"
    assert locked(checkout, "--training", "lone-wolf")["changes"]["training"] == ["lone-wolf 1.0 is new"]
    assert before <= below(checkout)


@pytest.mark.parametrize("edit", ["lost", "edited", "clash"])
def test_a_broken_lock_is_made_anew(checkout: Path, edit: str) -> None:
    """What was asked for is asked for again."""
    locked(checkout, "--training", "lone-wolf")
    shared, file = checkout / str(shared_by(checkout, "training")), checkout / DIRECTORY / "training.lock"
    if edit == "clash":
        file.write_text(f"{file.read_text()}made-up-trainer==9.9 --hash=sha256:{'0' * 64}\n")
    elif edit == "edited":
        shared.write_text(shared.read_text().replace("1.1", "1.0"))
    else:
        shared.unlink()
    assert problems_of_tree(checkout) != []
    locked(checkout)
    assert (problems_of_tree(checkout), shared.exists()) == ([], True)
    assert pins(checkout, "training") == {"lone-wolf": "1.0", "made-up-trainer": "1.1", "numbers-of-nobody": "3.0"}


def test_uv_reads_a_lock_with_what_it_shares(checkout: Path) -> None:
    """By itself, without us: the file is in the format of pip and uv."""
    locked(checkout, "--training", "lone-wolf")
    command = [find_uv_bin(), "pip", "sync", "--dry-run", "--require-hashes", "--target", str(checkout / "to")]
    done = subprocess.run(
        [*command, f"{DIRECTORY}/training.lock"], cwd=checkout, capture_output=True, text=True, check=True
    )
    assert {line.strip() for line in done.stderr.splitlines() if line.startswith(" + ")} == {
        "+ lone-wolf==1.0", "+ made-up-trainer==1.1", "+ numbers-of-nobody==3.0"
    }  # fmt: skip


def test_what_cannot_be_had_together_writes_neither_lock(checkout: Path) -> None:
    """The resolver's own words say why; what is no requirement is said before anything is asked."""
    lock(checkout)
    before = {name: (checkout / DIRECTORY / f"{name}.lock").read_bytes() for name in ("training", "serving")}
    for asked in (("made-up-trainer==1.1", "old-friend-of-it"), ("nobody-has-this",), ("not a requirement!",)):
        arguments = [word for one in asked for word in ("--training", one)]
        lock(checkout, *arguments, exit_code=2)
        assert {name: (checkout / DIRECTORY / f"{name}.lock").read_bytes() for name in before} == before
    with pytest.raises(
        InputError, match=r"no lock has all of old-friend-of-it, made-up-trainer==1\.1: (?s:.*)old-friend-of-it"
    ):
        compile_lock((), (), ("old-friend-of-it", "made-up-trainer==1.1"), b"", silent)


def test_an_index_that_does_not_answer_may_be_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is wrong with what was asked for."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{closed.getsockname()[1]}/simple")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        with pytest.raises(RetryError, match="no lock has all of surely-not-cached"):
            compile_lock((), (), ("surely-not-cached",), b"", silent)
