"""What is particular to a bucket: credentials, a server that is gone, what messages say."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bighead_ci.documents.stores import ObjectStore as Address
from bighead_ci.errors import BigheadError, InputError, RetryError
from bighead_ci.stores.objects_remote import Patience, RemoteObjectStore
from fakes.s3_server import CREDENTIALS, s3_server

SOON = Patience(timedelta(seconds=1), timedelta(seconds=1))
CALLS = ("put", "read", "has", "names", "delete")


def call(store: RemoteObjectStore, name: str) -> None:
    arguments: dict[str, tuple[object, ...]] = {"put": ("a", b""), "names": ()}
    getattr(store, name)(*arguments.get(name, ("a",)))


@pytest.fixture(scope="module")
def s3() -> Iterator[Address]:
    with s3_server() as address:
        yield address


@pytest.mark.parametrize("name", [name for name in CALLS if name != "delete"])
def test_a_bucket_that_is_not_there_is_said(s3: Address, name: str) -> None:
    """Whatever is asked of it first."""
    with pytest.raises(InputError, match="s3://nowhere has no such bucket"):
        call(RemoteObjectStore(Address(url="s3://nowhere", endpoint=s3.endpoint)), name)


@pytest.mark.parametrize("name", CALLS)
def test_a_server_that_does_not_answer_is_tried_again_later(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """After some tries of its own; no message names a secret."""
    for key, value in CREDENTIALS.items():
        monkeypatch.setenv(key, value)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(RetryError, match="the object store s3://models cannot be") as raised:
        call(RemoteObjectStore(Address(url="s3://models", endpoint=f"http://127.0.0.1:{port}"), SOON), name)
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in str(raised.value)


def test_a_server_that_takes_a_request_and_says_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call ends, though the connection stands."""
    for key, value in CREDENTIALS.items():
        monkeypatch.setenv(key, value)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address(url="s3://models", endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(RetryError):
            RemoteObjectStore(address, SOON).put("a", b"1")


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Address]:
    """An S3 server that checks signatures, with files on disk."""
    program = shutil.which("versitygw")
    if program is None:
        pytest.skip("NOT RUN, an S3 server that checks credentials because versitygw is not on PATH: docs/stores.md")
    for key, value in CREDENTIALS.items():
        monkeypatch.setenv(key, value)
    (tmp_path / "buckets" / "models").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [program, "--access", CREDENTIALS["AWS_ACCESS_KEY_ID"], "--secret", CREDENTIALS["AWS_SECRET_ACCESS_KEY"]]
    command += ["--port", f"127.0.0.1:{port}", "posix", str(tmp_path / "buckets")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        deadline = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield Address(url="s3://models/team", endpoint=f"http://127.0.0.1:{port}")
        server.terminate()


def test_right_credentials_are_taken(gateway: Address) -> None:
    """What is written is read."""
    store = RemoteObjectStore(gateway)
    store.put("a/b", b"1")
    assert (store.read("a/b"), store.names()) == (b"1", ["a/b"])


@pytest.mark.parametrize("name", CALLS)
def test_wrong_credentials_are_an_error_of_input(gateway: Address, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It names the variables, and neither what they hold nor what was signed."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    with pytest.raises(BigheadError, match="AWS_SECRET_ACCESS_KEY") as raised:
        call(RemoteObjectStore(gateway), name)
    assert isinstance(raised.value, InputError)
    assert "another-secret" not in str(raised.value)
    assert "Signature=" not in str(raised.value)
