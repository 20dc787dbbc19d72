"""A real Docker engine for tests, with a base image that is made here, for nothing can be pulled."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound

from bighead_ci.docker_engine import connect
from bighead_ci.errors import BigheadError
from bighead_ci.images import buildkit
from bighead_ci.images.containers import KEY_LABEL, ContainerImageBuilder
from fakes.waiting import until

BASE = "bighead-tests/debian"
_INCLUDED = "python3"
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
_ARCHIVE = Path(tempfile.gettempdir()) / "bighead-tests-base-3.tar"
"""Kept from run to run: it takes half a minute to make."""


@cache
def why_no_engine() -> str:
    """Why there is no engine that these tests can use; empty when there is."""
    try:
        connect()
        buildkit.client()
    except BigheadError as error:
        return str(error)
    return ""


@cache
def why_no_base() -> str:
    """Why there is no engine, or nothing to make a base image with; empty when there are both."""
    if reason := why_no_engine():
        return reason
    if _ARCHIVE.exists() or _known(connect()):
        return ""
    if shutil.which("mmdebstrap") is None:
        return "there is no mmdebstrap on PATH to make a base image with, and none can be pulled"
    return "" if os.getuid() == 0 else "only root makes a base image with mmdebstrap here"


def why_no_other_engine() -> str:
    """Why no second engine can be started; empty when it can."""
    if shutil.which("dockerd") is None:
        return "there is no dockerd on PATH"
    return "" if os.getuid() == 0 else "only root starts dockerd here"


def why_no_registry() -> str:
    """Why no registry can be started; empty when it can."""
    return "" if shutil.which("docker-registry") else "there is no docker-registry on PATH"


@cache
def base_image() -> str:
    """The base's reference in the engine that the environment names."""
    return base_in(connect())


def base_in(client: docker.DockerClient) -> str:
    """The base's reference in an engine: Debian's own Python and nothing else, the same image in every engine."""
    identity = _known(client)
    if identity is None:
        with _made().open("rb") as archive:
            identity = str(client.images.load(archive)[0].id)
    return f"{BASE}@{identity}"


@contextmanager
def another_engine() -> Iterator[str]:
    """A second engine on this machine, as another machine would have one: with a data root of its own; its address."""
    directory = Path(tempfile.mkdtemp(prefix="bh-"))  # a socket's path is short
    address = f"unix://{directory}/docker.sock"
    command = ["dockerd", "--bridge=none", "--iptables=false", f"--host={address}", f"--pidfile={directory}/pid"]
    command += [f"--data-root={directory}/data", f"--exec-root={directory}/run"]
    with (directory / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            until(lambda: _answers(address) or process.poll() is not None)
            assert process.poll() is None, (directory / "log").read_text()[-2000:]
            yield address
        finally:
            process.terminate()
            process.wait(30)
            for mount in (directory / "run").glob("netns/*"):
                subprocess.run(["umount", str(mount)], check=False, capture_output=True)
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def registry_at(directory: Path, users: str = "") -> Iterator[str]:
    """Debian's registry on loopback; its address. `users`: lines of htpasswd, else everybody may do everything."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config: dict[str, Any] = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(directory / "registry")}, "delete": {"enabled": True}},
        "http": {"addr": address},
    }
    if users:
        (directory / "users").write_text(users)
        config["auth"] = {"htpasswd": {"realm": "models", "path": str(directory / "users")}}
    (directory / "registry.yml").write_text(json.dumps(config))  # which is YAML
    command = ["docker-registry", "serve", str(directory / "registry.yml")]
    with (directory / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            until(lambda: _listens(address) or process.poll() is not None)
            assert process.poll() is None, (directory / "log").read_text()[-2000:]
            yield address
        finally:
            process.terminate()


def _answers(address: str) -> bool:
    try:
        return bool(docker.DockerClient(base_url=address).ping())
    except DockerException:
        return False


def _listens(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as tried:
        return tried.connect_ex((host, int(port))) == 0


def remove_images(client: docker.DockerClient, builder: ContainerImageBuilder) -> None:
    """Remove all that a builder has in an engine."""
    for image in client.images.list(filters={"label": KEY_LABEL}):
        for tag in image.tags:
            if tag.startswith(f"{builder.repository_in_engine}/"):
                client.images.remove(tag)


def _known(client: docker.DockerClient) -> str | None:
    try:
        return str(client.images.get(f"{BASE}:3").id)
    except ImageNotFound:
        return None


def _made() -> Path:
    """The image as every engine loads it under one digest; made once, in the engine at hand."""
    with (_ARCHIVE.with_suffix(".lock")).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _ARCHIVE.exists():
            if _known(connect()) is None:
                _import()
            beside = _ARCHIVE.with_suffix(".partial")
            with beside.open("wb") as saved:
                for chunk in connect().images.get(f"{BASE}:3").save(named=True):
                    saved.write(chunk)
            beside.replace(_ARCHIVE)
    return _ARCHIVE


def _import() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "root.tar"
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_INCLUDED}"]
        command += ['--aptopt=APT::Install-Recommends "false"']
        command += [f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT]
        command += ["--customize-hook=rm -rf $1/var/lib/apt/lists/* $1/var/cache/apt/* $1/var/log/*", "bookworm"]
        subprocess.run([*command, str(root)], check=True, capture_output=True, timeout=600)
        connect().api.import_image_from_file(str(root), repository=BASE, tag="3")
