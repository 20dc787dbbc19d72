"""Makes a workspace's bare repository and a clone of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bighead_ci.errors import InputError
from bighead_ci.git_environment import git_environment

AUTHOR = {
    "GIT_AUTHOR_NAME": "bighead",
    "GIT_AUTHOR_EMAIL": "bighead@example.invalid",
    "GIT_COMMITTER_NAME": "bighead",
    "GIT_COMMITTER_EMAIL": "bighead@example.invalid",
}


def check_absent(*paths: Path) -> None:
    """Refuse to write over what somebody has.

    Raises:
        InputError: names all that is there already.
    """
    taken = [str(path) for path in paths if path.exists()]
    if taken:
        raise InputError(f"already there: {', '.join(taken)}")


def create_repositories(bare: Path, clone: Path, seed: Path, settings: Mapping[str, str]) -> None:
    """Bare repository whose main holds the seed's files, and a clone with `settings` in its git config.

    Raises:
        InputError: git failed.
    """
    # Without the person's templates, which may hold hooks.
    _git("init", "--quiet", "--bare", "--initial-branch=main", "--template=", str(bare))
    # Who pushed a branch is in its log of moves: whoever did may not approve it.
    _git("-C", str(bare), "config", "core.logAllRefUpdates", "true")
    _git("clone", "--quiet", "--template=", str(bare), str(clone))
    _git("-C", str(clone), "symbolic-ref", "HEAD", "refs/heads/main")
    shutil.copytree(seed, clone, dirs_exist_ok=True)
    _git("-C", str(clone), "add", "--all")
    _git("-C", str(clone), "commit", "--quiet", "--message", "Features, policies and environments")
    _git("-C", str(clone), "push", "--quiet", "origin", "main")
    for key, value in settings.items():
        _git("-C", str(clone), "config", key, value)


def _git(*arguments: str) -> None:
    done = subprocess.run(
        ["git", *arguments], env=git_environment() | AUTHOR, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InputError(f"git {arguments[0]} failed: {done.stderr.strip()}")
