"""`bighead` commands as processes that work on a workspace."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bighead_ci.processes import end_session, record, start_session
from bighead_ci.workspaces.finding import environment_of
from bighead_ci.workspaces.layout import Workspace


class WorkspaceCommands:
    """Implements `runner.commands.Commands`: each leads a session of its own, which its pid file finds again."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def start(self, name: str, arguments: Sequence[str]) -> WorkspaceCommand:
        """Start one; its output goes to the log of that name."""
        process = start_session(
            [sys.executable, "-m", "bighead_ci", *arguments],
            log=self._workspace.runner / f"{name}.log",
            environment=environment_of(self._workspace),
            directory=self._workspace.state,
        )
        pid_file = self._workspace.jobs / f"{name}.json"
        record(process.pid, pid_file)
        return WorkspaceCommand(process, pid_file)

    def log_of(self, name: str) -> str:
        """Where its output is."""
        return str(self._workspace.runner / f"{name}.log")


class WorkspaceCommand:
    """One of them, under way or ended."""

    def __init__(self, process: subprocess.Popen[bytes], pid_file: Path) -> None:
        self._process = process
        self._pid_file = pid_file

    def exit_code(self) -> int | None:
        """Its exit code once it has ended; what it started ends with it."""
        code = self._process.poll()
        if code is not None and self._pid_file.exists():
            end_session(self._pid_file, 0.0)
        return code
