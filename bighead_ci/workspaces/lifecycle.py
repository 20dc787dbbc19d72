"""Makes workspaces, ends what runs in them, and deletes them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from bighead_ci.clocks import SystemClock
from bighead_ci.errors import InputError
from bighead_ci.processes import recorded_process
from bighead_ci.workspaces import variables
from bighead_ci.workspaces.layout import WORKSPACE_FILE, Workspace
from bighead_ci.workspaces.repositories import check_absent, create_repositories
from bighead_ci.workspaces.runner_process import stop_runner

PARTS = {"forge.git", "clone", "state", "seed"}
"""All that a workspace's directory holds."""
BEGUN_FILE = "begun"
"""In the state of a workspace that is being made: what lies beside it is no one's work yet."""


def create_workspace(
    directory: Path, seed: Path, moment: datetime | None, prepare: Callable[[Workspace, Path], None]
) -> Workspace:
    """Bare repository, clone and state; the seed's files are the first commit.

    What a call that was killed or failed had made is made anew.

    Args:
        directory: Where it is made.
        seed: Its files become the first commit.
        moment: The time that it lives at; None: now.
        prepare: What else the clone needs to work with the workspace.

    Raises:
        InputError: the directory has a workspace already, or cannot be written.
    """
    directory = directory.resolve()
    if workspace_in(directory) is not None:
        raise InputError(f"{directory} has a workspace already; choose another directory")
    workspace = Workspace(
        forge=directory / "forge.git", state=directory / "state", clock_offset_seconds=_offset(moment)
    )
    clone, begun = directory / "clone", workspace.state / BEGUN_FILE
    try:
        if begun.exists():
            for left in (workspace.forge, clone):
                shutil.rmtree(left, ignore_errors=True)
        check_absent(workspace.forge, clone)
        workspace.state.mkdir(parents=True, exist_ok=True)
        begun.touch()
        create_repositories(workspace.forge, clone, seed, {variables.STATE_SETTING: str(workspace.state)})
        prepare(workspace, clone)
        workspace.write(workspace.state / WORKSPACE_FILE)
        begun.unlink()
    except OSError as error:
        raise InputError(f"{directory} cannot hold a workspace: {error.strerror}: {error.filename}") from error
    return workspace


def workspace_in(directory: Path) -> Workspace | None:
    """The workspace of a directory, if it has one."""
    file = directory / "state" / WORKSPACE_FILE
    return Workspace.read(file) if file.exists() else None


def set_moment(workspace: Workspace, moment: datetime | None) -> Workspace:
    """Let a workspace live at another moment from now on; None: by the machine's clock.

    Online features know events up to the moment before, and answer for none earlier: they go.

    Raises:
        InputError: something of it runs, and would go on living at the moment before.
    """
    running = [file for file in workspace.state.rglob("pid.json") if recorded_process(file) is not None]
    if running:
        named = ", ".join(sorted(str(file.parent.relative_to(workspace.state)) for file in running))
        raise InputError(f"this workspace runs ({named}), at the moment it has: first `bighead workspace stop`")
    shutil.rmtree(workspace.online_store, ignore_errors=True)
    changed = workspace.model_copy(update={"clock_offset_seconds": _offset(moment)})
    changed.write(workspace.state / WORKSPACE_FILE)
    return changed


def _offset(moment: datetime | None) -> float:
    return (moment - SystemClock().now()).total_seconds() if moment else 0.0


def end_workspace(workspace: Workspace, stop_environment: Callable[[str], None]) -> list[str]:
    """Stop everything that runs in a workspace: its runner, what that started, and all that its environments run.

    Returns the names of the environments that were stopped.
    """
    stop_runner(workspace)
    environments = sorted(p.name for p in workspace.platform.glob("*") if p.is_dir())
    for environment in environments:
        stop_environment(environment)
    return environments


def discard_workspace(directory: Path, stop_of: Callable[[Workspace], Callable[[str], None]]) -> None:
    """Stop and delete an earlier run's workspace.

    Raises:
        InputError: the directory holds something that is not a workspace.
    """
    if not directory.exists():
        return
    strangers = sorted(p.name for p in directory.iterdir() if p.name not in PARTS)
    if strangers:
        raise InputError(
            f"{directory} holds {', '.join(strangers[:5])}, which no workspace has; choose another directory"
        )
    workspace = workspace_in(directory)
    if workspace is not None:
        end_workspace(workspace, stop_of(workspace))
    shutil.rmtree(directory)
