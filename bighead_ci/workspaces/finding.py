"""Finds the workspace that a command is about, and who runs it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from bighead_ci.errors import InputError
from bighead_ci.workspaces import variables
from bighead_ci.workspaces.layout import WORKSPACE_FILE, Workspace


def find_workspace() -> Workspace:
    """The workspace of this process: named by the environment, else by the clone that we stand in.

    Raises:
        InputError: there is none.
    """
    named = os.environ.get(variables.STATE) or _git_config(variables.STATE_SETTING)
    if not named:
        raise InputError(
            f"no workspace: stand in a clone that `bighead workspace init` made, or set {variables.STATE} to its state "
            "directory"
        )
    file = Path(named) / WORKSPACE_FILE
    if not file.exists():
        raise InputError(f"{named} is not a workspace's state directory: it has no {WORKSPACE_FILE}")
    return Workspace.read(file)


def workspace_or(checkout: Path) -> Workspace:
    """The workspace; where there is none, a directory in the checkout stands for it."""
    try:
        return find_workspace()
    except InputError:
        return Workspace(forge=checkout, state=checkout / ".bighead")


def identity() -> str:
    """Who is at the keyboard: BIGHEAD_USER, else git's user.name, else the login."""
    return os.environ.get(variables.USER) or _git_config("user.name") or os.environ.get("USER") or "somebody"


def environment_of(workspace: Workspace) -> dict[str, str]:
    """Environment variables of a process that works on a workspace."""
    return {**os.environ, **variables.QUIET, variables.STATE: str(workspace.state)}


def _git_config(key: str) -> str:
    done = subprocess.run(["git", "config", "--get", key], capture_output=True, text=True, check=False)
    return done.stdout.strip()
