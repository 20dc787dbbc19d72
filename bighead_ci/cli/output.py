"""How every command speaks: people's text or one JSON object, and exit codes by kind of error."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import click
from rich.console import Console

from bighead_ci.errors import BigheadError, InputError

P = ParamSpec("P")
R = TypeVar("R")

EXIT_REFUSED = 1
"""The command worked and the answer is no: a gate failed, a check found something."""

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)
progress_console = Console(stderr=True, highlight=False, soft_wrap=True)


def json_option(command: Callable[P, R]) -> Callable[P, R]:
    """Add `--json`: one JSON object on standard output, nothing else there."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")(command)


def say(text: str) -> None:
    """A line of progress, on standard error."""
    progress_console.print(text, markup=False)


def answer(data: dict[str, Any], text: str | Callable[[], Any], as_json: bool) -> None:
    """The command's result: JSON, or the text."""
    if as_json:
        click.echo(json.dumps(data, indent=1, default=str))
    elif callable(text):
        console.print(text())
    else:
        console.print(text, markup=False)


def reports_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the engine's errors into a message on standard error (or JSON) and their exit code."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except BigheadError as error:
            if kwargs.get("as_json"):
                problems = [p.as_json() for p in error.problems] if isinstance(error, InputError) else []
                kind = type(error).__name__
                click.echo(json.dumps({"error": str(error), "kind": kind, "problems": problems}, indent=1))
            else:
                progress_console.print(str(error), style="red", markup=False)
            sys.exit(error.exit_code)

    return wrapped
