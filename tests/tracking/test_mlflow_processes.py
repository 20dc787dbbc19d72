"""Records when processes are killed, race, or serve MLflow's own pages."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from bighead_ci.documents.base import digest_of
from bighead_ci.tracking.mlflow_store import MlflowRecordStore
from fakes.record_samples import make_artifact, make_record

pytestmark = pytest.mark.e2e
SAVER = Path(__file__).with_name("saver.py")


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return make_artifact(tmp_path / "artifact")


def start(directory: Path, artifact: Path, key: str, point: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, SAVER, directory, artifact, key, point],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def runs_of(directory: Path) -> list[Any]:
    client = MlflowClient(f"sqlite:///{directory}/mlflow.db", f"sqlite:///{directory}/mlflow.db")
    return list(client.search_runs([client.get_experiment_by_name("flight_delay").experiment_id]))


@pytest.mark.parametrize("point", ["put_artifact", "complete"])
def test_killed_save_is_not_seen_and_can_be_repeated(tmp_path: Path, artifact: Path, point: str) -> None:
    """Killed before its files or just before completion, a save left no record; the next one leaves exactly one."""
    directory = tmp_path / "records"
    process = start(directory, artifact, "key", point)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    store = MlflowRecordStore(directory)
    assert store.by_content_key(digest_of("key")) is None
    killed = runs_of(directory)
    assert len(killed) == 1
    assert store.by_run(killed[0].info.run_id) is None
    saved = store.save(make_record(artifact), {"artifact": artifact})
    assert [run.info.run_id for run in runs_of(directory)] == [saved.run_id]
    assert [path.name for path in (directory / "artifacts").iterdir()] == [saved.run_id]
    client = MlflowClient(f"sqlite:///{directory}/mlflow.db", f"sqlite:///{directory}/mlflow.db")
    assert [one.run_id for one in client.search_model_versions("name = 'flight_delay'")] == [saved.run_id]


def test_two_processes_that_save_one_key_leave_one_record(tmp_path: Path, artifact: Path) -> None:
    """Two savers of one content key on a fresh store both succeed, with the same run, and say nothing on stderr."""
    directory = tmp_path / "records"
    both = [start(directory, artifact, "key") for _ in range(2)]
    answers = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert answers[0] == answers[1]
    assert answers[0][1] == ""
    assert [run.info.run_id for run in runs_of(directory)] == [answers[0][0]]


def test_full_disk_asks_to_try_again_and_nothing_is_seen(tmp_path: Path, artifact: Path) -> None:
    """When the database cannot grow, the save raises RetryError; with space again it works."""
    directory = tmp_path / "records"
    store = MlflowRecordStore(directory)
    store.save(make_record(artifact, "first"), {"artifact": artifact})
    for number in range(30):  # use up what is free inside the file
        store.save(make_record(artifact, f"more {number}"), {"artifact": artifact})
        answer, _ = start(directory, artifact, "key", "disk full").communicate()
        if answer.startswith("RetryError"):
            break
    assert answer.startswith("RetryError")
    assert "full" in answer
    assert store.by_content_key(digest_of("key")) is None
    assert store.save(make_record(artifact), {"artifact": artifact}).run_id


def test_looking_up_does_not_import_mlflow(tmp_path: Path, artifact: Path) -> None:
    """A process that only reads records, or attaches a page, never pays for MLflow's import."""
    saved = MlflowRecordStore(tmp_path / "records").save(make_record(artifact), {"artifact": artifact})
    code = (
        "import sys; from pathlib import Path\n"
        "from bighead_ci.tracking.mlflow_store import MlflowRecordStore\n"
        f"store = MlflowRecordStore(Path({str(tmp_path / 'records')!r}))\n"
        f"record = store.by_content_key({saved.content_key!r})\n"
        "store.artifact(record.artifact), store.run_url(record.run_id)\n"
        f"store.attach(record.run_id, {{'report/page.html': Path({str(SAVER)!r})}})\n"
        "store.project_alias('flight_delay', 'production', None)\n"
        "print(record.run_id, 'mlflow' in sys.modules)\n"
    )
    script = tmp_path / "reader.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [saved.run_id, "False"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{tmp_path / 'records' / 'mlflow.db'}"),
        ],
        cwd=tmp_path,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    yield f"http://127.0.0.1:{port}"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def ask(url: str, data: dict[str, Any] | None = None) -> Any:
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
        return json.loads(answer.read())


def test_mlflow_server_shows_records(tmp_path: Path, artifact: Path, request: pytest.FixtureRequest) -> None:
    """MLflow's own server on the directory answers with the run, its metrics and files, the version and its alias."""
    store = MlflowRecordStore(tmp_path / "records")
    saved = store.save(make_record(artifact), {"artifact": artifact})
    store.project_alias("flight_delay", "production", saved.run_id)
    api = f"{request.getfixturevalue('server')}/api/2.0/mlflow"
    for _ in range(240):
        try:
            experiments = ask(f"{api}/experiments/search", {"max_results": 10})["experiments"]
            break
        except OSError:
            time.sleep(0.5)
    number = next(one["experiment_id"] for one in experiments if one["name"] == "flight_delay")
    runs = ask(f"{api}/runs/search", {"experiment_ids": [number], "filter": "metrics.auc > 0.7"})["runs"]
    assert [run["info"]["run_id"] for run in runs] == [saved.run_id]
    files = ask(f"{api}/artifacts/list?run_id={saved.run_id}&path=artifact")["files"]
    assert {file["path"] for file in files} == {"artifact/artifact.json", "artifact/golden.json", "artifact/model.onnx"}
    alias = ask(f"{api}/registered-models/alias?name=flight_delay&alias=production")["model_version"]
    assert alias["run_id"] == saved.run_id
