"""No library reports home, and nothing is fetched at run time: entry points run cut off from every other machine.

Each runs as a process in an environment without any switch of a workspace, as a cluster would start it. What is seen is
what Python's own sockets do; that is how every library here sends its usage.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from bighead_ci.delivery.stages.training_set import make_training_set
from bighead_ci.documents.live import ServingProcess
from fakes.offline_store import MemoryOfflineStore
from fakes.record_samples import make_artifact
from fakes.serving import a_config
from fakes.stage_checkout import DIRECTORY, placed, write_checkout
from fakes.tiny_artifact import write_tiny_artifact

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
"""Variables that a process cannot do without; CI and pytest have some that make libraries hold their tongue."""


@pytest.fixture
def attempts(tmp_path: Path) -> Path:
    """Gets a line for each attempt to reach another machine."""
    path = tmp_path / "attempts.txt"
    path.touch()
    return path


def variables(attempts: Path, **more: str) -> dict[str, str]:
    paths = os.pathsep.join(map(str, (TESTS / "fakes" / "cut_off", ROOT, TESTS)))
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {"PYTHONPATH": paths, "BIGHEAD_TEST_ATTEMPTS": str(attempts)} | more


def run(attempts: Path, *arguments: str, cwd: Path, **more: str) -> str:
    """Run Python with arguments, and return what it says; a failure fails the test."""
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=cwd, env=variables(attempts, **more), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


FETCH = """
import contextlib, socket, urllib.request
for attempt in (
    lambda: socket.socket().connect(("192.0.2.1", 80)),
    lambda: urllib.request.urlopen("http://example.com/"),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"used", ("192.0.2.1", 53)),
):
    with contextlib.suppress(OSError):
        attempt()
        print("reached")
"""


def test_a_process_that_is_cut_off_reaches_nobody(attempts: Path, tmp_path: Path) -> None:
    """By name, by address or by a datagram: each is refused and written down, also from a process that it starts."""
    assert run(attempts, "-c", FETCH, cwd=tmp_path) == ""
    assert [line.split(":")[0] for line in attempts.read_text().splitlines()] == [
        "socket.connect 192.0.2.1",
        "socket.getaddrinfo example.com",
        "socket.sendto 192.0.2.1",
    ]
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {FETCH!r}], check=True)"
    run(attempts, "-c", nested, cwd=tmp_path)
    assert len(attempts.read_text().splitlines()) == 6


@pytest.mark.e2e
def test_a_library_that_was_not_told_is_caught(attempts: Path, tmp_path: Path) -> None:
    """MLflow, started without its switch, calls its maker: so silence below is not for want of ears."""
    script = (
        "import time, mlflow; mlflow.set_tracking_uri('sqlite:///t.db'); mlflow.create_experiment('e'); time.sleep(3)"
    )
    run(attempts, "-c", script, cwd=tmp_path)
    assert "mlflow" in attempts.read_text()


@pytest.mark.parametrize("stages", [("quality",), ("train", "evaluate", "package")])
def test_a_stage_reaches_nobody(attempts: Path, tmp_path: Path, stages: tuple[str, ...]) -> None:
    """Great Expectations and scikit-learn on the rows of a small model, as the orchestrator starts them."""
    place = placed(write_checkout(tmp_path / "checkout"))
    make_training_set(place, MemoryOfflineStore(), lambda _: None)
    for stage in stages:
        run(
            attempts,
            "-m",
            f"bighead_ci.entry_points.stages.{stage}",
            str(place.checkout),
            DIRECTORY,
            str(place.out),
            cwd=tmp_path,
        )
    assert attempts.read_text() == ""


DRIFT = """
import pathlib, pyarrow as pa
from bighead_ci.quality.drift import EvidentlyDriftDetector
one, two = pa.table({"x": [1.0, 2.0] * 50}), pa.table({"x": [2.0, 3.0] * 50})
print(EvidentlyDriftDetector().compare(one, two, ("a", "b"), html=pathlib.Path("drift.html")).drifted)
"""


def test_measuring_drift_reaches_nobody(attempts: Path, tmp_path: Path) -> None:
    """Evidently, its page included."""
    assert run(attempts, "-c", DRIFT, cwd=tmp_path) == "1\n"
    assert attempts.read_text() == ""


@pytest.mark.e2e
def test_saving_a_record_reaches_nobody(attempts: Path, tmp_path: Path) -> None:
    """MLflow: a new database, a run, a registered version."""
    artifact = make_artifact(tmp_path / "artifact")
    saver = str(TESTS / "tracking" / "saver.py")
    assert run(attempts, saver, str(tmp_path / "records"), str(artifact), "key", cwd=tmp_path)
    assert attempts.read_text() == ""


@pytest.mark.e2e
def test_a_process_that_serves_reaches_nobody(attempts: Path, tmp_path: Path) -> None:
    """BentoML: from its start over answers to its end."""
    artifact = tmp_path / "artifact"
    digest = write_tiny_artifact(artifact)
    config = a_config(tmp_path, artifact=digest, artifact_path=artifact, predictions=tmp_path / "log")
    config.write(tmp_path / "config.json")
    command = [sys.executable, "-m", "bighead_ci.entry_points.serving", str(tmp_path / "config.json")]
    home = {"BENTOML_HOME": str(tmp_path / "bentoml")}
    with subprocess.Popen(command, cwd=tmp_path, env=variables(attempts, **home)) as process:
        try:
            answer = httpx.post(f"{address(process, tmp_path)}/predict", json={"distance": 1.0}, timeout=30)
        finally:
            process.send_signal(signal.SIGTERM)
    assert answer.status_code == 200
    assert attempts.read_text() == ""


def address(process: subprocess.Popen[bytes], directory: Path) -> str:
    """Where the process listens, once it does."""
    deadline = time.monotonic() + 60
    while not (directory / "process.json").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return f"http://127.0.0.1:{ServingProcess.read(directory / 'process.json').port}"


PIPELINE = """
import pathlib, yaml
from bighead_ci.orchestrators.dvc import DvcPipeline
stage = {"cmd": "echo 1 > b.txt", "outs": ["b.txt"]}
for place in (pathlib.Path(), pathlib.Path("models/late/v1")):
    place.mkdir(parents=True, exist_ok=True)
    (place / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"one": stage}}))
pathlib.Path(".dvc").mkdir()
pathlib.Path(".dvc/config").touch()
print(DvcPipeline(pathlib.Path("../cache")).run(pathlib.Path(), "models/late/v1", lambda line: None).reused)
"""


@pytest.mark.e2e
def test_a_pipeline_reaches_nobody(attempts: Path, tmp_path: Path) -> None:
    """DVC, whose daemon would report after the command has ended."""
    (tmp_path / "checkout").mkdir()
    assert run(attempts, "-c", PIPELINE, cwd=tmp_path / "checkout") == "[]\n"
    time.sleep(1)
    assert attempts.read_text() == ""


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("module", "is_off"),
    [
        ("mlflow.telemetry.utils", "library.is_telemetry_disabled()"),
        ("dvc.analytics", "not library.is_enabled()"),
        ("bentoml._internal.utils.analytics.usage_stats", "library.do_not_track()"),
        ("evidently.telemetry", "library.DO_NOT_TRACK_ENV in os.environ"),
    ],
)
def test_what_a_command_starts_is_told_to_be_silent(attempts: Path, tmp_path: Path, module: str, is_off: str) -> None:
    """By each library's own word, in a process with the variables that a command hands on."""
    asks = f"import importlib, os; library = importlib.import_module({module!r}); print({is_off})"
    starts = "import subprocess, sys; from bighead_ci.workspaces.variables import silence_libraries; "
    starts += "silence_libraries(); subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"
    assert run(attempts, "-c", starts, asks, cwd=tmp_path) == "True\n"
    assert "True" not in run(attempts, "-c", asks, cwd=tmp_path)
