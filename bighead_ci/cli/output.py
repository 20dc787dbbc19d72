"""How every command speaks: people's text or one JSON object, and exit codes by kind of error."""

from __future__ import annotations

import functools
import json
import signal
import sys
import traceback
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bighead_ci.documents.failure import Failure
from bighead_ci.errors import BigheadError, BugError, InputError, Remedy, RetryError

P = ParamSpec("P")
R = TypeVar("R")

EXIT_REFUSED = 1
"""The command worked and the answer is no: a gate failed, a check found something."""
EXIT_INTERRUPTED = 128 + signal.SIGINT

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)
progress_console = Console(stderr=True, highlight=False, soft_wrap=True)


checkout_option = click.option(
    "--checkout",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The repository's work tree; default: here.",
)


def json_option(command: Callable[P, R]) -> Callable[P, R]:
    """Add `--json`: one JSON object on standard output, nothing else there."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")(command)


def printable(text: str) -> str:
    """Text without the control and direction characters that a terminal would obey."""
    return "".join(
        character
        if character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cf", "Cs"} or character == "\u200d"
        else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def table_of(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "", caption: str = "") -> Table:
    """A table of texts as they are: brackets in what people wrote are no markup."""
    table = Table(title=_cell(title), title_justify="left", caption=_cell(caption), caption_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    return table


def _cell(text: str) -> Text:
    return Text(printable(text))


def say(text: str) -> None:
    """A line of progress, on standard error."""
    progress_console.print(printable(text), markup=False)


def answer(data: dict[str, Any], text: str | Callable[[], Any], as_json: bool) -> None:
    """The command's result: JSON, or the text."""
    if as_json:
        click.echo(json.dumps(data, indent=1, default=str))
    elif callable(text):
        # Soft wrapping would cut the items of a list at the console's width.
        console.print(text(), soft_wrap=False)
    else:
        console.print(printable(text), markup=False)


def end_with(failures: Sequence[Failure], as_json: bool) -> None:
    """End a command that tried several things: say what failed, and exit as the most hopeful remedy asks."""
    codes: dict[Remedy, int] = {
        "retry": RetryError.exit_code,
        "report": BugError.exit_code,
        "mend": InputError.exit_code,
    }
    for failure in () if as_json else failures:
        progress_console.print(printable(f"{failure.about}: {failure.message}"), style="red", markup=False)
    remedies = {failure.remedy for failure in failures}
    sys.exit(next((code for remedy, code in codes.items() if remedy in remedies), 0))


def utc_moment(text: str, option: str = "--at") -> datetime:
    """What somebody typed after an option; without a zone it is UTC, as in all that commands print.

    Raises:
        InputError: it is no ISO 8601 time.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text!r} is not an ISO 8601 time, as 2026-01-31T12:00:00") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def reports_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn errors into a message on standard error (or JSON) and an exit code that tells what to do.

    A failure that the engine did not foresee is a bug (its traceback is printed), never the exit code of a "no".
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except BigheadError as error:
            _tell(error, bool(kwargs.get("as_json")))
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            say("interrupted")
            sys.exit(EXIT_INTERRUPTED)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 - the last resort before the user
            traceback.print_exc()
            _tell(BugError(f"this is a fault of bighead: {type(error).__name__}: {error}"), bool(kwargs.get("as_json")))
            sys.exit(BugError.exit_code)

    return wrapped


def _tell(error: BigheadError, as_json: bool) -> None:
    if as_json:
        problems = [p.as_json() for p in error.problems] if isinstance(error, InputError) else []
        data = {"error": str(error), "kind": type(error).__name__, "problems": problems}
        click.echo(json.dumps(data, indent=1))
    else:
        progress_console.print(printable(str(error)), style="red", markup=False)
