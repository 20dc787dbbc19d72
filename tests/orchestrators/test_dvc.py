"""DVC runs stages once, shares their results, and can be killed at any time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from filelock import FileLock

from bighead_ci.errors import BugError, InputError, RetryError
from bighead_ci.orchestrators.dvc import DvcPipeline
from bighead_ci.ports.progress import silent
from fakes.stage_checkout import DIRECTORY, write_checkout

pytestmark = pytest.mark.e2e

RAN = 'echo ran >> "$BIGHEAD_RAN_FILE"'


def stage(command: str, needs: list[str], leaves: list[str], **more: Any) -> dict[str, Any]:
    return {"cmd": command, "wdir": "../../..", "deps": needs, "outs": leaves} | more


def checkout(root: Path, **stages: dict[str, Any]) -> Path:
    """A checkout whose version has these stages, and a shared source that another file makes."""
    write_checkout(root)
    (root / "dvc.lock").unlink()
    (root / ".dvc").mkdir(exist_ok=True)
    (root / ".dvc" / "config").touch()
    (root / DIRECTORY / "out").mkdir()
    (root / DIRECTORY / "words.txt").write_text("words")
    (root / DIRECTORY / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    shared = {"make": {"cmd": "echo data > raw.txt", "deps": ["features/sources/flights.yaml"], "outs": ["raw.txt"]}}
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": shared}))
    return root


def two_stages() -> dict[str, dict[str, Any]]:
    out = f"{DIRECTORY}/out"
    words = f"{DIRECTORY}/words.txt"
    return {
        "first": stage(f"{RAN}; cp raw.txt {out}/a.txt; echo 'first: half way'", ["raw.txt"], [f"{out}/a.txt"]),
        "second": stage(f"{RAN}; cp {out}/a.txt {out}/b.txt", [f"{out}/a.txt", words], [f"{out}/b.txt"]),
    }


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that gets a line each time a stage really runs."""
    path = tmp_path / "ran"
    path.touch()
    monkeypatch.setenv("BIGHEAD_RAN_FILE", str(path))
    return path


def count(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_results_are_reused_in_every_checkout_until_an_input_changes(tmp_path: Path, ran: Path) -> None:
    """The second run, and another checkout, run nothing; another file runs what reads it."""
    one, two = checkout(tmp_path / "one", **two_stages()), checkout(tmp_path / "two", **two_stages())
    pipeline, lines = DvcPipeline(tmp_path / "cache"), list[str]()
    first = pipeline.run(one, DIRECTORY, lines.append)
    assert (list(first.seconds), first.reused) == (["sources/make", "first", "second"], [])
    assert lines == ["sources/make …", "first …", "first: half way", "second …"]
    assert count(ran) == 2
    assert pipeline.run(one, DIRECTORY, silent).reused == ["first", "second"]
    elsewhere = pipeline.run(two, DIRECTORY, silent)
    assert elsewhere.reused == ["sources/make", "first", "second"]
    assert (two / DIRECTORY / "out" / "b.txt").read_text() == "data\n"
    assert count(ran) == 2
    (two / DIRECTORY / "words.txt").write_text("new words")
    other = pipeline.run(two, DIRECTORY, silent)
    assert other.reused == ["first"]
    assert count(ran) == 3


def test_a_stage_that_refuses_speaks_for_itself(tmp_path: Path) -> None:
    """The error of `bighead stage` arrives as it was raised, not as DVC retells it."""
    bare = stage(f"bighead stage inputs {DIRECTORY}", [f"{DIRECTORY}/model.yaml"], [f"{DIRECTORY}/out/x"])
    root = checkout(tmp_path / "one", train=bare)
    model = root / DIRECTORY / "model.yaml"
    model.write_text(model.read_text().replace("task: binary", "task: bniary"))
    with pytest.raises(InputError) as caught:
        DvcPipeline(tmp_path / "cache").run(root, DIRECTORY, silent)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.subject) == (f"{DIRECTORY}/model.yaml", 3, "task")


@pytest.mark.parametrize(
    ("command", "kind", "words"),
    [
        ("echo 'OSError: No space left on device' >&2; exit 1", RetryError, "the disk is full"),
        ("kill -9 $$", RetryError, "killed"),
        ("echo 'ZeroDivisionError: oh' >&2; exit 1", BugError, "ZeroDivisionError: oh"),
    ],
)
def test_other_failures_say_what_to_do(tmp_path: Path, command: str, kind: type[Exception], words: str) -> None:
    """A full disk and a kill may be tried again; a crash is ours."""
    root = checkout(tmp_path / "one", only=stage(command, [], [f"{DIRECTORY}/out/x"]))
    with pytest.raises(kind, match=words):
        DvcPipeline(tmp_path / "cache").run(root, DIRECTORY, silent)


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    """A dependency that nothing makes is the author's to add."""
    root = checkout(tmp_path / "one", only=stage("true", ["nowhere.parquet"], [f"{DIRECTORY}/out/x"]))
    with pytest.raises(InputError, match=r"nowhere\.parquet"):
        DvcPipeline(tmp_path / "cache").run(root, DIRECTORY, silent)


def test_a_run_that_was_killed_is_finished_by_the_next(tmp_path: Path, ran: Path) -> None:
    """Kill -9 of everything in the middle of a stage: what was done is reused, no lock is left."""
    out = f"{DIRECTORY}/out"
    slow = two_stages()
    slow["second"]["cmd"] = f'{RAN}; test -e "$BIGHEAD_RAN_FILE.go" || sleep 60; cp {out}/a.txt {out}/b.txt'
    root = checkout(tmp_path / "one", **slow)
    script = (
        "import sys; from pathlib import Path; from bighead_ci.orchestrators.dvc import DvcPipeline as D;"
        f"D(Path({str(tmp_path / 'cache')!r})).run(Path({str(root)!r}), {DIRECTORY!r}, print)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], start_new_session=True, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while count(ran) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert count(ran) == 2
    started = [psutil.Process(pid) for pid in children(process.pid)]
    for group in {os.getpgid(pid) for pid in [process.pid, *(one.pid for one in started)]}:
        os.killpg(group, signal.SIGKILL)
    process.wait()
    psutil.wait_procs(started, timeout=30)
    (tmp_path / "ran.go").touch()
    timings = DvcPipeline(tmp_path / "cache").run(root, DIRECTORY, silent)
    assert timings.reused == ["first"]
    assert (root / out / "b.txt").read_text() == "data\n"
    # The same in a checkout made anew, as `bighead ci` does.
    shutil.rmtree(root)
    again = DvcPipeline(tmp_path / "cache").run(checkout(root, **slow), DIRECTORY, silent)
    assert again.reused == ["sources/make", "first", "second"]


def children(pid: int) -> list[int]:
    """All descendants of a process."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *children(int(child))]
    return found


def test_one_checkout_is_not_run_twice_at_once(tmp_path: Path) -> None:
    """The second run says so and may be tried again."""
    root = checkout(tmp_path / "one", **two_stages())
    (root / ".bighead").mkdir()
    with (
        FileLock(root / ".bighead" / "orchestrator.lock"),
        pytest.raises(RetryError, match="run in this checkout already"),
    ):
        DvcPipeline(tmp_path / "cache").run(root, DIRECTORY, silent)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Before anything runs."""
    (tmp_path / "file").touch()
    root = checkout(tmp_path / "one", **two_stages())
    with pytest.raises(InputError, match=r"file/cache: Not a directory"):
        DvcPipeline(tmp_path / "file" / "cache").run(root, DIRECTORY, silent)


def test_a_version_without_a_pipeline_is_refused(tmp_path: Path) -> None:
    """The file that is missing is named."""
    with pytest.raises(InputError, match=r"models/late/v1/dvc\.yaml is missing"):
        DvcPipeline(tmp_path / "cache").run(write_checkout(tmp_path / "one"), DIRECTORY, silent)
