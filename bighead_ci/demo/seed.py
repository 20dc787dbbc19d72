"""The first commit of a scratch workspace: features, policies and environments, but no model yet."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

MOMENT = datetime(2013, 10, 1, 21, 0, tzinfo=UTC)
"""The demonstration lives here, at five in the afternoon in New York: after all that training knew."""

BEGINNING = ("policies", "environments", "docs", ".dvc", ".dvcignore", ".gitignore")
"""What a repository of anybody begins with: no models and no data, and the pages that messages name."""
PARTS = ("features", "dvc.yaml", "dvc.lock", *BEGINNING)
"""What that of the demonstration begins with."""
LEFT_OUT = shutil.ignore_patterns("*.parquet", "__pycache__", "cache", "tmp", "config.local")


def write_seed(examples: Path, directory: Path, parts: Sequence[str] = PARTS) -> Path:
    """Copy what the first commit holds; a router port that is taken is replaced by a free one."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name in parts:
        source = examples / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=LEFT_OUT)
        elif source.exists():
            shutil.copy2(source, directory / name)
    for file in sorted(directory.glob("environments/*/environment.yaml")):
        file.write_text(_with_free_port(file.read_text()))
    return directory


def _with_free_port(text: str) -> str:
    def replaced(match: re.Match[str]) -> str:
        port = int(match[2])
        return match[0] if _is_free(port) else f"{match[1]}{_free_port()}"

    return re.sub(r"(port:\s*)(\d+)", replaced, text)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
