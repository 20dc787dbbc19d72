"""Which client asks for BuildKit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bighead_ci.errors import InputError
from bighead_ci.images import buildkit

OLD = 'echo "Docker version 20.10.24, build 5d6db84"'
NEW = 'case "$1" in --version) echo "Docker version 28.2.2, build e6534b4";; *) exit 1;; esac'
WITH_PLUGIN = 'case "$1" in --version) echo "Docker version 28.2.2";; buildx) echo "buildx v0.24.0";; esac'


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    buildkit.client.cache_clear()
    yield
    buildkit.client.cache_clear()


def path_with(directory: Path, **clients: str) -> str:
    """A PATH of directories with a client each."""
    for name, script in clients.items():
        (directory / name).mkdir()
        program = directory / name / "docker"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    return ":".join(str(directory / name) for name in clients)


@pytest.mark.parametrize("able", [OLD, WITH_PLUGIN])
def test_the_first_client_that_can_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, able: str) -> None:
    """One that has BuildKit built in, or as its plugin; another one may come before it."""
    monkeypatch.setenv("PATH", path_with(tmp_path, unable=NEW, able=able, later=OLD))
    assert buildkit.client() == str(tmp_path / "able" / "docker")


def test_where_no_client_can_each_is_named_with_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what to install."""
    monkeypatch.setenv("PATH", path_with(tmp_path, one=NEW, two="echo hello"))
    with pytest.raises(InputError, match=r"one/docker: version 28 without .* buildx; .*two/docker: says no version"):
        buildkit.client()


def test_where_there_is_no_client_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what needs one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"built with BuildKit.*there is no docker on PATH.*docker-buildx"):
        buildkit.client()
