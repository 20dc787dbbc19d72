"""How commands answer: exit codes by kind of error, JSON, moments, and names that were mistyped."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import click
import pytest
from click.testing import CliRunner, Result
from rich.markdown import Markdown

from bighead_ci.cli.main import main
from bighead_ci.cli.output import answer, json_option, reports_errors, utc_moment
from bighead_ci.errors import InputError, Problem, RetryError


def run(action: Callable[[], None], *arguments: str) -> Result:
    """Run a command that does nothing but that."""

    @click.command()
    @json_option
    @reports_errors
    def command(as_json: bool) -> None:  # noqa: ARG001 - what `reports_errors` looks at
        action()

    return CliRunner().invoke(command, list(arguments))


def fails(error: BaseException) -> Callable[[], None]:
    """An action that raises it."""

    def action() -> None:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("no such thing"), 2),
        (RetryError("busy"), 75),
        (ValueError("nobody foresaw it"), 70),
        (KeyboardInterrupt(), 130),
    ],
)
def test_the_exit_code_says_what_to_do(error: BaseException, code: int) -> None:
    """A failure that nobody foresaw is a bug, and an interrupt an interrupt: never the 1 of a command that says no."""
    assert run(fails(error)).exit_code == code


def test_an_error_with_json_is_one_object() -> None:
    """Standard output holds it and nothing else, for foreseen errors and for bugs."""
    problem = Problem(file="models/late/v1/model.yaml", line=3, subject="label", message="is missing")
    found = json.loads(run(fails(InputError([problem])), "--json").stdout)
    assert (found["kind"], found["problems"][0]["line"]) == ("InputError", 3)
    found = json.loads(run(fails(ValueError("nobody foresaw it")), "--json").stdout)
    assert (found["kind"], found["problems"]) == ("BugError", [])


def test_a_reader_that_leaves_is_no_bug() -> None:
    """`bighead history | head` ends quietly."""
    result = run(fails(BrokenPipeError()))
    assert "Traceback" not in result.output
    assert result.exit_code != 70


def test_a_moment_without_zone_is_utc() -> None:
    """What `history` prints can be given back to it, wherever the machine is."""
    assert utc_moment("2026-01-31 12:00:00") == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert utc_moment("2026-01-31T12:00:00+02:00").utcoffset() == timedelta(hours=2)
    with pytest.raises(InputError, match="'yesterday' is not an ISO 8601 time"):
        utc_moment("yesterday")


def test_a_mistyped_command_names_the_one_that_was_meant() -> None:
    """Though its module is not loaded; hidden ones are not proposed."""
    assert "Did you mean 'status'?" in CliRunner().invoke(main, ["statsu"]).output
    assert "Did you mean" not in CliRunner().invoke(main, ["serve-varian"]).output


def test_no_word_of_a_long_list_item_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    """The evidence of a failed gate is one long item: it is wrapped at the console's width, not cut."""
    words = [f"word{number}" for number in range(100)]
    answer({}, lambda: Markdown("- " + " ".join(words)), as_json=False)
    assert set(words) <= set(capsys.readouterr().out.split())
