"""Python environments made from lock files, for versions that the running interpreter does not satisfy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from uv import find_uv_bin

from bighead_ci.errors import InputError

COMPLETE = "complete"
"""Marks an environment whose installation ran to its end."""


def environment_interpreter(directory: Path) -> Path | None:
    """The interpreter of a complete environment."""
    python = directory / "bin" / "python"
    return python if (directory / COMPLETE).is_file() and python.exists() else None


def make_environment(lock: Path, directory: Path, progress: Callable[[str], None]) -> Path:
    """Install a lock into an environment of its own and return its interpreter.

    Environments cannot be moved, so it is made in place and marked at the end; one without the mark is made anew.

    Raises:
        InputError: the lock cannot be installed; carries the installer's own words.
    """
    made = environment_interpreter(directory)
    if made is not None:
        return made
    shutil.rmtree(directory, ignore_errors=True)
    directory.parent.mkdir(parents=True, exist_ok=True)
    uv = find_uv_bin()
    progress("the running interpreter does not satisfy the lock: making an environment")
    _run([uv, "venv", "--quiet", "--python", sys.executable, str(directory)], lock)
    python = directory / "bin" / "python"
    progress(f"installing {lock.name}")
    _run([uv, "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "-r", str(lock)], lock)
    (directory / COMPLETE).touch()
    return python


def _run(command: list[str], lock: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InputError(f"{lock}: cannot be installed: {done.stderr.strip()[-2000:]}")
