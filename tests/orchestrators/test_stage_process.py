"""A stage sees what its key names and leaves what it declares, whatever code of an author runs in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.training_set import make_training_set
from bighead_ci.documents.sandbox import Confinement, Limits
from bighead_ci.errors import InputError
from bighead_ci.orchestrators.stage_process import StageProcesses
from bighead_ci.planning.stages import stage_called
from bighead_ci.ports.progress import silent
from bighead_ci.sandbox.choice import limits_of, sandbox_of
from fakes.offline_store import MemoryOfflineStore
from fakes.stage_checkout import CODE, ROWS, placed, write_checkout

BUILD = 'def build(parameters):\n    """The pipeline."""\n'


def hostile(program: str) -> str:
    """A model.py that does something before it builds what it should."""
    body = "".join(f"    {line}\n" for line in ("import os, glob, json, sys", *program.splitlines()))
    assert BUILD in CODE
    return CODE.replace(BUILD, BUILD + body)


RESULTS = "glob.glob(sys.argv[3])[0]"
"""Where the stage's own results go, as its code can find out."""


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., StagePlace]:
    """Runs the stage `train` of a version with this model.py."""

    def run(code: str, limits: Limits | None = None, **columns: pa.Array) -> StagePlace:
        place = placed(write_checkout(tmp_path / "checkout", code, **columns))
        (place.checkout / "README.md").touch()
        make_training_set(place, MemoryOfflineStore(), silent)
        lines: list[str] = []
        processes = StageProcesses(
            engine=Path(sys.executable),
            ensure=lambda *_: Path(sys.executable),
            sandbox=sandbox_of(os.environ),
            limits=limits or limits_of({}),
            quiet={},
            output=lines.append,
        )
        processes.run(stage_called("train"), place, silent)
        return place

    return run


def test_what_a_stage_finds_wrong_with_model_yaml_is_said_at_its_line(train: Callable[..., StagePlace]) -> None:
    """A stage reads no model.yaml: the engine looks the line up."""
    labels = pa.array([3, 7] * (ROWS // 2))
    with pytest.raises(InputError, match=r"models/late/v1/model.yaml:5: label.positive: .*allowed: 3 or 7"):
        train(CODE, late=labels)


def test_a_stage_leaves_its_files_and_says_in_which_sandbox_it_ran(train: Callable[..., StagePlace]) -> None:
    """And nothing else is left of it."""
    place = train(CODE)
    names = {path.name for path in (place.out / "artifact").iterdir()}
    assert names == {"artifact.json", "golden.json", "model.json", "model.npz"}
    assert Confinement.read(place.out / "sandbox" / "train.json").kind == sandbox_of(os.environ).kind
    assert list((place.checkout / ".bighead").rglob("*.json")) == []


@pytest.mark.parametrize(
    "program",
    [
        "open('{checkout}/features/sources/flights.parquet', 'rb').read()",
        "open('{checkout}/dvc.lock').read()",
        "open('{checkout}/README.md').read()",
        "open('{checkout}/models/late/v1/out/training_set.json').read()",
        "open('{checkout}/models/late/v1/out/training_set.parquet', 'ab').write(b'x')",
        "open('{checkout}/models/late/v1/model.py', 'a').write('x')",
        "os.remove('{checkout}/models/late/v1/out/inputs/train.json')",
        "open('{checkout}/models/late/v1/out/evaluation.json', 'w').write('x'); raise OSError",
    ],
)
def test_code_touches_nothing_but_what_its_stage_declares(
    train: Callable[..., StagePlace], tmp_path: Path, program: str
) -> None:
    """Neither data of sources nor other files of the commit, nor what earlier stages left but for reading it."""
    if sandbox_of(os.environ).kind == "none":
        pytest.skip("NOT RUN: no sandbox here")
    checkout = tmp_path / "checkout"
    with pytest.raises(InputError, match=r"model\.py.*(FileNotFound|Permission|Read-only|OSError)"):
        train(hostile(program.replace("{checkout}", str(checkout))))
    assert not (checkout / "models/late/v1/out/evaluation.json").exists()
    assert (checkout / "models/late/v1/out/inputs/train.json").exists()
    assert BUILD in (checkout / "models/late/v1/model.py").read_text()


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (f"open({RESULTS} + '/evaluation.json', 'w').write('forged')", r"out/evaluation\.json.*nothing that the stage"),
        (f"os.symlink('/etc/passwd', {RESULTS} + '/record.json')", r"out/record\.json.*no regular file"),
        (f"os.mkfifo({RESULTS} + '/package.json')", r"out/package\.json.*no regular file"),
        (
            f"import atexit; atexit.register(lambda: open({RESULTS} + '/conversion.json', 'w').write('1'))",
            r"out/conversion\.json.*not the document",
        ),
        (
            f"import atexit; atexit.register(lambda: open({RESULTS} + '/artifact/golden.json', 'w').write('[]'))",
            r"out/artifact/golden\.json.*not the document",
        ),
        (
            f"import atexit; r = {RESULTS}; atexit.register(lambda: os.link(r + '/conversion.json', r + '/x'))",
            r"out/(conversion\.json|x).*(another name|nothing that the stage)",
        ),
        ("os._exit(0)", r"out/artifact/golden\.json.*is missing"),
        ("os._exit(3)", r"exit code 3 and left no reason"),
        ("import bighead_ci.errors as e; raise e.RetryError('again')", "again"),
    ],
)
def test_what_a_stage_leaves_is_held_against_what_it_declares(
    train: Callable[..., StagePlace], tmp_path: Path, program: str, words: str
) -> None:
    """Files of other stages, links, pipes, broken documents and missing files are refused by name, for good."""
    with pytest.raises(InputError, match=words):
        train(hostile(program))
    out = tmp_path / "checkout" / "models/late/v1/out"
    assert not (out / "sandbox").exists()
    assert not (out / "artifact").exists()


def test_a_stage_is_ended_at_its_limits_and_says_how_to_get_more(train: Callable[..., StagePlace]) -> None:
    """The limit, what it is, and the setting."""
    limits = limits_of({"BIGHEAD_SANDBOX_LIMITS": "processes=5"})
    forks = "import time\nfor _ in range(20):\n    if os.fork() == 0:\n        time.sleep(60)\ntime.sleep(60)"
    with pytest.raises(InputError, match=r"stage train of models/late/v1 .* processes 5; .*processes=10"):
        train(hostile(forks), limits)


def test_code_sees_no_variable_that_nobody_named(
    train: Callable[..., StagePlace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner's secrets stay with it, in whatever sandbox."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("BIGHEAD_STATE", "/state")
    with pytest.raises(InputError, match=r"saw: \[\]"):
        train(hostile("raise ValueError(f\"saw: {[n for n in os.environ if 'AWS' in n or 'STATE' in n]}\")"))
