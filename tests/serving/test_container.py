"""What a variant's container runs: from mounted directories, or from an object store; and why it refuses."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bighead_ci.documents.base import digest_of
from bighead_ci.documents.image import CODE, INTERPRETER
from bighead_ci.documents.live import ContainerConfig
from bighead_ci.entry_points.container import read_config
from bighead_ci.errors import InputError
from bighead_ci.images.contents import MODEL
from bighead_ci.images.dockerfile import ENVIRONMENT, ROOT
from bighead_ci.planning.stages import CONTAINER_ENTRY_POINT
from bighead_ci.scorers.published import publish_artifact
from bighead_ci.stores.objects_directory import DirectoryObjectStore
from bighead_ci.stores.objects_remote import RemoteObjectStore
from bighead_ci.stores.prediction_log import ParquetPredictionLog
from fakes.s3_server import s3_server
from fakes.serving import DIGEST
from fakes.tiny_artifact import write_tiny_artifact

ROW = {"distance": 100.0, "delay": 5.0}


def a_container(directory: Path, **changes: Any) -> ContainerConfig:
    """Of an artifact that is mounted, with its log in a directory."""
    artifact = directory / "artifact"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    fields: dict[str, Any] = {
        "environment": "prod",
        "variant": "tiny-v1-aaaaaaaa",
        "model": "tiny",
        "version": "v1",
        "image": f"local/tiny@{DIGEST}",
        "artifact": write_tiny_artifact(artifact, model="tiny", version="v1"),
        "artifact_path": artifact,
        "predictions_path": directory / "predictions",
        "host": "127.0.0.1",
        "port": port,
    }
    return ContainerConfig.model_validate(fields | changes)


@contextmanager
def started(directory: Path, config: ContainerConfig) -> Iterator[subprocess.Popen[str]]:
    """The process, with nothing of this one's environment but credentials; it is killed at the end if it still runs."""
    scratch = directory / "scratch"
    scratch.mkdir(exist_ok=True)
    config.write(directory / "config.json")
    environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    environment |= {"TMPDIR": str(scratch), "HOME": "/nonexistent", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-P", "-m", CONTAINER_ENTRY_POINT, str(directory / "config.json")]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def await_ready(process: subprocess.Popen[str], url: str) -> None:
    deadline = time.monotonic() + 100
    while True:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        try:
            if httpx.get(f"{url}/readyz").is_success:
                return
        except httpx.HTTPError:
            assert time.monotonic() < deadline
        time.sleep(0.1)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code, and what it said."""
    _, said = process.communicate(timeout=100)
    return process.returncode, said


def test_a_container_answers_on_its_port_and_writes_its_log_before_it_ends(tmp_path: Path) -> None:
    """From mounted directories; told to stop, it leaves no row unwritten."""
    config = a_container(tmp_path)
    with started(tmp_path, config) as process:
        url = f"http://127.0.0.1:{config.port}"
        await_ready(process, url)
        answer = httpx.post(f"{url}/predict", json=ROW)
        assert answer.status_code == 200, answer.text
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 0
    found = ParquetPredictionLog(tmp_path / "predictions").find(answer.json()["prediction_id"])
    assert found is not None
    assert (found.variant, found.inputs) == (config.variant, ROW)


def test_a_container_fetches_its_artifact_and_logs_into_a_bucket(tmp_path: Path) -> None:
    """Nothing is mounted: what it verified is what was published, and the log has the layout of directories."""
    with s3_server() as address:
        store = RemoteObjectStore(address)
        config = a_container(tmp_path, artifact_path=None, predictions_path=None, store=address)
        assert publish_artifact(store, tmp_path / "artifact") == config.artifact
        with started(tmp_path, config) as process:
            url = f"http://127.0.0.1:{config.port}"
            await_ready(process, url)
            httpx.post(f"{url}/predict", json=ROW).raise_for_status()
            process.send_signal(signal.SIGTERM)
            assert ended(process)[0] == 0
        (name,) = store.names("prod/tiny/tiny-v1-aaaaaaaa")
        assert name.endswith(".parquet")


def test_a_container_told_to_stop_while_it_loads_stops(tmp_path: Path) -> None:
    """Also as the first process of its container, which ignores signals that it does not handle."""
    with started(tmp_path, a_container(tmp_path)) as process:
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] in {0, -signal.SIGTERM}


@pytest.mark.parametrize("mounted", [True, False])
def test_a_container_refuses_an_artifact_that_is_not_the_one_promised(tmp_path: Path, *, mounted: bool) -> None:
    """Mounted or fetched; its last words say so, and nothing listens."""
    config = a_container(tmp_path)
    with s3_server() as address:
        if mounted:
            config = config.model_copy(update={"artifact": digest_of("another")})
        else:
            publish_artifact(RemoteObjectStore(address), tmp_path / "artifact")
            name = f"artifacts/{config.artifact.replace(':', '-')}/golden.json"
            RemoteObjectStore(address).put(name, b"{}")
            config = config.model_copy(update={"artifact_path": None, "store": address})
        with started(tmp_path, config) as process:
            code, said = ended(process)
    assert code == InputError.exit_code
    assert "refuses to serve" in said
    assert "damaged" in said


def test_a_configuration_that_cannot_be_used_is_refused_with_all_that_is_wrong(tmp_path: Path) -> None:
    """Each field by its name; and what belongs together."""
    config = a_container(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(config.model_dump_json()) | {"port": 0, "artifact": "sha256:1"}))
    with pytest.raises(InputError, match=r"(?s)config\.json: artifact: .*port: "):
        read_config(file)
    config.model_copy(update={"artifact_path": None}).write(file)
    with pytest.raises(InputError, match="artifact_path or store"):
        read_config(file)
    config.model_copy(update={"predictions_path": None}).write(file)
    with pytest.raises(InputError, match="predictions_path or store"):
        read_config(file)
    with pytest.raises(InputError, match="No such file"):
        read_config(tmp_path / "none.json")


def test_a_newer_platform_may_tell_a_container_more(tmp_path: Path) -> None:
    """An image is as old as its version's last build."""
    file = tmp_path / "config.json"
    config = a_container(tmp_path)
    file.write_text(json.dumps(json.loads(config.model_dump_json()) | {"later": 1}))
    assert read_config(file) == config


def test_a_container_finds_what_its_image_has() -> None:
    """Where the recipe of images puts the code and the interpreter."""
    assert f"/{ROOT}/{MODEL}" == CODE
    assert f"/{ENVIRONMENT}/bin/python" == INTERPRETER


def test_an_artifact_that_was_published_half_is_published_whole_by_the_same_call(tmp_path: Path) -> None:
    """What a killed one left, and what does not belong there, is put right."""
    store = DirectoryObjectStore(tmp_path / "objects")
    digest = write_tiny_artifact(tmp_path / "artifact", model="tiny", version="v1")
    folder = f"artifacts/{digest.replace(':', '-')}"
    store.put(f"{folder}/golden.json", b"half")
    store.put(f"{folder}/stray", b"")
    assert publish_artifact(store, tmp_path / "artifact") == digest
    assert {name.rpartition("/")[2] for name in store.names(folder)} == {
        file.name for file in (tmp_path / "artifact").iterdir()
    }
