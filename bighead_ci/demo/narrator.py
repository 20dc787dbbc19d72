"""Tells the demonstration: runs the commands that a person would type, shows them, and waits for what follows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape

from bighead_ci.errors import RetryError
from bighead_ci.git_environment import git_environment

T = TypeVar("T")


LAST_BYTES = 2000
PATIENCE_SECONDS = 300.0
"""Many times what anything here takes but training: a machine that does other things too is slow."""


class Narrator:
    """Prints headings and commands, runs them in a directory as a named person."""

    def __init__(self, directory: Path, state: Path) -> None:
        self.directory = directory
        self.state = state
        self.console = Console(highlight=False, soft_wrap=True)
        self.started = time.monotonic()

    def chapter(self, title: str) -> None:
        """A heading with the time since the start."""
        seconds = time.monotonic() - self.started
        self.console.print(f"\n[bold cyan]== {escape(title)}[/]  [dim]({seconds:.0f} s)[/]")

    def tell(self, text: str) -> None:
        """A sentence of the story."""
        self.console.print(f"   {escape(text)}")

    def show(self, text: str) -> None:
        """What a person would see, indented."""
        for line in text.rstrip().splitlines():
            self.console.print(f"   [dim]│[/] {escape(line)}")

    def git(self, *arguments: str, who: str = "ada") -> str:
        """Run git in the clone as somebody."""
        self._echo(who, ["git", *arguments])
        return self._run(["git", *arguments], who).stdout.strip()

    def bighead(self, *arguments: str, who: str = "ada", quiet: bool = False, allowed: tuple[int, ...] = (0,)) -> str:
        """Run bighead in the clone as somebody and return its output."""
        if not quiet:
            self._echo(who, ["bighead", *arguments])
        return self._run([sys.executable, "-m", "bighead_ci", *arguments], who, allowed).stdout

    def asks(self, *arguments: str, who: str = "ada", allowed: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """Run a command with `--json` and return what it answers."""
        self._echo(who, ["bighead", *arguments])
        data: dict[str, Any] = json.loads(
            self._run([sys.executable, "-m", "bighead_ci", *arguments, "--json"], who, allowed).stdout
        )
        return data

    def wait(
        self, what: str, ready: Callable[[], T | None], seconds: float = PATIENCE_SECONDS, log: str = "runner.log"
    ) -> T:
        """Poll until something is there, showing for how long and what one of the runner's logs says meanwhile.

        Raises:
            RetryError: it did not come in time.
        """
        begun = time.monotonic()
        file = self.state / "runner" / log
        if not self.console.is_terminal:
            self.tell(f"({what} …)")
        with self.console.status(f"{what} …") as status:
            while time.monotonic() - begun < seconds:
                found = ready()
                if found is not None:
                    return found
                status.update(f"{what} … {time.monotonic() - begun:.0f} s  [dim]{escape(last_line(file))}[/]")
                time.sleep(0.1)
        raise RetryError(f"{what}: nothing after {seconds:.0f} s; {file} ends with: {last_line(file) or 'nothing'}")

    def _echo(self, who: str, command: list[str]) -> None:
        words = " ".join(f'"{w}"' if " " in w else w for w in command)
        self.console.print(f"   [green]{who}[/]$ {escape(words)}")

    def _run(self, command: list[str], who: str, allowed: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
        # Nobody's own git may sign, hook or ignore what the people of the demonstration commit.
        identity = git_environment() | {
            "GIT_AUTHOR_NAME": who,
            "GIT_AUTHOR_EMAIL": f"{who}@example.invalid",
            "GIT_COMMITTER_NAME": who,
            "GIT_COMMITTER_EMAIL": f"{who}@example.invalid",
            "BIGHEAD_USER": who,
            "BIGHEAD_STATE": str(self.state),
        }
        done = subprocess.run(command, cwd=self.directory, env=identity, capture_output=True, text=True, check=False)
        if done.returncode not in allowed:
            self.show(done.stdout + done.stderr)
            raise RetryError(f"{' '.join(command)} ended with exit code {done.returncode}")
        return done


def last_line(log: Path) -> str:
    """The newest line of a log that has words; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
