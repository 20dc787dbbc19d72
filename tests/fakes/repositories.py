"""Repositories on disk for tests."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git(directory: Path, *arguments: str, who: str = "ada") -> str:
    """Run git in a directory as somebody and return what it prints."""
    identity = ["-c", f"user.name={who}", "-c", f"user.email={who}@example.invalid"]
    command = ["git", *identity, "-C", str(directory), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def begin_repository(directory: Path, *, bare: bool = True) -> Path:
    """A new repository whose `main` has one empty commit."""
    directory.mkdir(parents=True)
    git(directory, "init", "--quiet", "--initial-branch=main", *(["--bare"] if bare else []))
    tree = git(directory, "hash-object", "-t", "tree", "-w", "/dev/null")
    git(directory, "update-ref", "refs/heads/main", git(directory, "commit-tree", "-m", "begin", tree))
    return directory
