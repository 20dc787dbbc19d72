"""A real Docker engine for tests, with a base image that is made here, for nothing can be pulled."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import docker
from docker.errors import ImageNotFound

from bighead_ci.docker_engine import connect
from bighead_ci.errors import BigheadError
from bighead_ci.images import buildkit

BASE = "bighead-tests/debian"
_INCLUDED = "python3,python3-venv,ca-certificates"
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
_ARCHIVE = Path(tempfile.gettempdir()) / "bighead-tests-base.tar"
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


@cache
def base_image() -> str:
    """The base's reference in the engine that the environment names."""
    return base_in(connect())


def base_in(client: docker.DockerClient) -> str:
    """The base's reference in an engine: Debian's own Python and nothing else, the same image in every engine."""
    identity = _known(client)
    if identity is None:
        with (_ARCHIVE.with_suffix(".lock")).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _ARCHIVE.exists():
                _make(_ARCHIVE)
            with _ARCHIVE.open("rb") as archive:
                identity = str(client.images.load(archive)[0].id)
    return f"{BASE}@{identity}"


def _known(client: docker.DockerClient) -> str | None:
    try:
        return str(client.images.get(f"{BASE}:1").id)
    except ImageNotFound:
        return None


def _make(archive: Path) -> None:
    """Make the image once, in the engine at hand, and keep it as every engine loads it under one digest."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "root.tar"
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_INCLUDED}"]
        command += [f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT]
        command += ["--customize-hook=rm -rf $1/var/lib/apt/lists/* $1/var/cache/apt/* $1/var/log/*", "bookworm"]
        subprocess.run([*command, str(root)], check=True, capture_output=True, timeout=250)
        client = connect()
        client.api.import_image_from_file(str(root), repository=BASE, tag="1")
        beside = archive.with_suffix(".partial")
        with beside.open("wb") as saved:
            for chunk in client.images.get(f"{BASE}:1").save(named=True):
                saved.write(chunk)
        beside.replace(archive)
