"""A package index that is a directory of wheels made up by a test."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest


def write_wheel(
    directory: Path, name: str, version: str, requires: Sequence[str] = (), files: Mapping[str, str] | None = None
) -> Path:
    """A wheel whose one module says its version; other files of it by their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_")
    wheel, about = directory / f"{module}-{version}-py3-none-any.whl", f"{module}-{version}.dist-info"
    more = "".join(f"Requires-Dist: {one}\n" for one in requires)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{module}.py", f"VERSION = {version!r}\nANSWER = 42\n")
        for path, text in (files or {}).items():
            archive.writestr(path, text)
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return wheel


def only_these(directory: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the installer find nothing but the wheels of a directory."""
    patch.setenv("UV_FIND_LINKS", str(directory))
    patch.setenv("UV_NO_INDEX", "1")
    patch.setenv("UV_OFFLINE", "1")
