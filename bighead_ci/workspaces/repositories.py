"""Makes a workspace's bare repository and a clone of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bighead_ci.errors import InputError

AUTHOR = {
    "GIT_AUTHOR_NAME": "bighead",
    "GIT_AUTHOR_EMAIL": "bighead@example.invalid",
    "GIT_COMMITTER_NAME": "bighead",
    "GIT_COMMITTER_EMAIL": "bighead@example.invalid",
}


def create_repositories(bare: Path, clone: Path, seed: Path, settings: Mapping[str, str]) -> None:
    """Bare repository whose main holds the seed's files, and a clone with `settings` in its git config.

    Raises:
        InputError: one of the two is there already, or git failed.
    """
    taken = [str(path) for path in (bare, clone) if path.exists()]
    if taken:
        raise InputError(f"already there: {', '.join(taken)}")
    _git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    _git("clone", "--quiet", str(bare), str(clone))
    _git("-C", str(clone), "symbolic-ref", "HEAD", "refs/heads/main")
    shutil.copytree(seed, clone, dirs_exist_ok=True)
    _git("-C", str(clone), "add", "--all")
    _git("-C", str(clone), "commit", "--quiet", "--message", "Features, policies and environments")
    _git("-C", str(clone), "push", "--quiet", "origin", "main")
    for key, value in settings.items():
        _git("-C", str(clone), "config", key, value)


def _git(*arguments: str) -> None:
    cleaned = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(["git", *arguments], env=cleaned | AUTHOR, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"git {arguments[0]} failed: {done.stderr.strip()}")
