"""docs/tutorial.md, played word for word: its files, its commands, and what it says that they print."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]
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
        printed = ""
        for line in self._process.stdout:
            if ENDED in line:
                return printed + line.partition(ENDED)[0]
            printed += line
        raise AssertionError(f"the shell ended in: {command}\n{printed}")

    def close(self) -> None:
        """End it; what it started in the background gets no more input."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=60)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.run("cd ~/shop/clone && bighead workspace stop; kill $(jobs -p)")
    shell.close()


def test_the_tutorial_is_true_word_for_word(shell: Shell, tmp_path: Path) -> None:
    """From a CSV file to a shipped model, a canary to prod with its features found, and a canary that is taken back."""
    steps = list(steps_of(PAGE.read_text()))
    assert len(steps) > 50
    for step in steps:
        if step.file:
            (tmp_path / step.file).write_text(step.words)
            continue
        printed = shell.run(step.words)
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
