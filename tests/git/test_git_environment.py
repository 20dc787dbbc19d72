"""Which settings of somebody's git the engine's own calls see."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bighead_ci import git_environment
from fakes.repositories import git


def test_only_the_person_says_which_repositories_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository's own configuration does not, also where git runs us as its hook and names that repository."""
    repository, settings = tmp_path / "repository", tmp_path / "gitconfig"
    git(tmp_path, "init", "--quiet", str(repository))
    git(repository, "config", "safe.directory", "/of/the/repository")
    settings.write_text("[safe]\n\tdirectory = /of/the/person\n")
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setattr(git_environment, "_trusted", git_environment._trusted.__wrapped__)
    listed = subprocess.run(
        ["git", "config", "--get-all", "safe.directory"],
        env=git_environment.git_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.split() == ["/of/the/person"]
