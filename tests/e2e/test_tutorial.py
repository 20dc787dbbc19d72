"""docs/tutorial.md, played word for word: its files, its commands, and what it says that they print."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]
COMMAND_SECONDS = 300
"""The page's loops wait for ever; here what they wait for did not come if it took this long."""
ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
ENDED = "\x1eended "
ANY = "…"
"""Stands for anything within a line; alone in a line, for any lines."""


@dataclass(frozen=True)
class Step:
    """A file to write, or a command with what it prints."""

    line: int
    """Of the page."""
    words: str
    """The file's text, or the command."""
    printed: str = ""
    file: str = ""
    """Name of the file, in the home directory."""


def steps_of(page: str) -> Iterator[Step]:
    """The fenced parts of a page: files (```python NAME) and commands (```console) with their output."""
    for found in re.finditer(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        language, file, text = found.groups()
        begins = page[: found.start(3)].count("\n") + 1
        if file:
            yield Step(begins, text, file=file)
        elif language == "console":
            lines = text.splitlines()
            starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
            for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
                yield Step(begins + start, lines[start][2:], "\n".join(lines[start + 1 : end]))


def says(expected: str, printed: str) -> bool:
    """Whether an output is what the page shows."""
    lines = [
        r"(?:.*\n)*?" if line == ANY else ".*?".join(map(re.escape, line.rstrip().split(ANY))) + r"[ ]*\n"
        for line in expected.splitlines()
    ]
    return (
        re.fullmatch("".join(lines), printed if not printed or printed.endswith("\n") else f"{printed}\n") is not None
    )


class Shell:
    """One shell, as somebody has who follows the page."""

    def __init__(self, home: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BIGHEAD_", "GIT_"))}
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=ROOT,
            env={**kept, "HOME": str(home), "COLUMNS": "200", "TERM": "dumb"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> str:
        """What a command prints on both streams."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\nprintf '{ENDED}%s\\n' $?\n")
        self._process.stdin.flush()
        watch = threading.Timer(COMMAND_SECONDS, self.kill)
        watch.start()
        printed = ""
        try:
            for line in self._process.stdout:
                if ENDED in line:
                    return printed + line.partition(ENDED)[0]
                printed += line
        finally:
            watch.cancel()
        raise AssertionError(f"the shell ended, or did not answer for {COMMAND_SECONDS} s, in: {command}\n{printed}")

    def kill(self) -> None:
        """End it and all that it started."""
        started = psutil.Process(self._process.pid).children(recursive=True) if self._process.poll() is None else []
        self._process.kill()
        for process in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.kill()
    bighead = [sys.executable, "-m", "bighead_ci", "workspace", "stop"]
    clone = tmp_path / "shop" / "clone"
    if clone.exists():
        subprocess.run(bighead, cwd=clone, check=False, timeout=120)


def told(home: Path) -> str:
    """What a person would look at who waits for something that does not come."""
    clone, log = home / "shop" / "clone", home / "runner.log"
    asked = (["pr", "list", "--state", "all"], ["history", "returns", "--env", "prod"], ["status"])
    answers = [
        subprocess.run(
            [sys.executable, "-m", "bighead_ci", *command], cwd=clone, capture_output=True, text=True, check=False
        ).stdout
        for command in asked
        if clone.exists()
    ]
    return "\n".join([*answers, log.read_text()[-3000:] if log.exists() else ""])


def test_the_tutorial_is_true_word_for_word(shell: Shell, tmp_path: Path) -> None:
    """From a CSV file to a shipped model, a canary to prod with its features found, and a canary that is taken back."""
    steps = list(steps_of(PAGE.read_text()))
    assert len(steps) > 50
    for step in steps:
        if step.file:
            (tmp_path / step.file).write_text(step.words)
            continue
        try:
            printed = shell.run(step.words)
        except AssertionError as error:
            raise AssertionError(f"docs/tutorial.md:{step.line}: {error}\n{told(tmp_path)}") from error
        assert says(step.printed, printed), (
            f"docs/tutorial.md:{step.line}: $ {step.words}\nshows:\n{step.printed}\nprints:\n{printed}"
        )


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("merged #1 as …", "merged #1 as 12ab\n", True),
        ("merged #1 as …", "merged #2 as 12ab\n", False),
        ("…\nno problems", "wrote a\nwrote b\nno problems\n", True),
        ("…\nno problems", "wrote a\n1 problem\n", False),
        ("", "Traceback\n", False),
        ("", "", True),
    ],
)
def test_another_output_than_the_page_shows_is_seen(expected: str, printed: str, same: bool) -> None:
    """Only where the page says … may something differ."""
    assert says(expected, printed) is same
