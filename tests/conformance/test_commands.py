"""What starts commands: as processes of a workspace, and the double in memory."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from bighead_ci.runner.commands import Command, Commands
from bighead_ci.workspaces.commands import WorkspaceCommands
from bighead_ci.workspaces.layout import Workspace
from fakes.runner import MemoryCommand, MemoryCommands
from fakes.waiting import until


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(forge=tmp_path / "forge.git", state=tmp_path / "state")
    found.state.mkdir()
    return found


@pytest.fixture(params=["processes", "memory"])
def commands(request: pytest.FixtureRequest, workspace: Workspace) -> Commands:
    return MemoryCommands() if request.param == "memory" else WorkspaceCommands(workspace)


def ended(command: Command, code: int) -> int | None:
    """Its exit code, once it has ended; the double is told which."""
    if isinstance(command, MemoryCommand):
        command.code = code
    until(lambda: command.exit_code() is not None, 60)
    return command.exit_code()


def test_a_command_runs_until_it_has_an_exit_code(commands: Commands) -> None:
    """That of the command line; asking again gives the same."""
    good, bad = commands.start("good", ["--version"]), commands.start("bad", ["no-such-command"])
    assert good.exit_code() is None
    assert (ended(good, 0), ended(bad, 2), good.exit_code()) == (0, 2, 0)


def test_the_log_names_the_command(commands: Commands) -> None:
    """So that people find it."""
    assert "ci-7" in commands.log_of("ci-7")


def test_a_command_is_found_again_while_it_runs(workspace: Workspace) -> None:
    """Its pid file is there as long as it is, and its output in its log."""
    command = WorkspaceCommands(workspace).start("help", ["--help"])
    (pid_file,) = workspace.jobs.iterdir()
    assert pid_file.name == "help.json"
    assert ended(command, 0) == 0
    assert list(workspace.jobs.iterdir()) == []
    assert "Commands:" in (workspace.runner / "help.log").read_text()
    assert not [p for p in psutil.process_iter(["environ"]) if str(workspace.state) in str(p.info["environ"])]
