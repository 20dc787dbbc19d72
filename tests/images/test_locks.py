"""`bighead lock` with the real resolver, on an index that is a directory."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from bighead_ci.cli.locks import lock_command
from bighead_ci.definitions.files import Files
from bighead_ci.definitions.lock_file import asked_for, packages, read_lock
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.errors import InputError, RetryError
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
    done = CliRunner().invoke(lock_command, [DIRECTORY, *arguments, "--checkout", str(checkout), "--json"])
    assert done.exit_code == exit_code, done.output
    found: dict[str, list[str]] = json.loads(done.stdout).get("changes", {})
    return found


def pins(checkout: Path, name: str) -> dict[str, str]:
    found, problems = read_lock(name, (checkout / DIRECTORY / f"{name}.lock").read_bytes())
    assert problems == []
    return packages(found)


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
    text = (checkout / DIRECTORY / "training.lock").read_text()
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
