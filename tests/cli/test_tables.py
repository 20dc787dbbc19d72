"""Tables of a terminal show what people wrote as they wrote it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from bighead_ci.cli.questions import drift_table, history_table, status_table
from bighead_ci.delivery.history import ServedSpan
from bighead_ci.delivery.status import ModelStatus, Status
from bighead_ci.documents.record import DriftResult

WRITTEN = ["promote [red]late", "mend [/]", "see [link=evil.example]this", "a[0] \\[b]"]


def shown(table: object) -> str:
    console = Console(width=400, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def told(text: str) -> str:
    """The same text in each of the tables."""
    span = ServedSpan(
        environment="prod",
        model="late",
        commit="a" * 40,
        author=text,
        subject=text,
        since=datetime(2026, 1, 1, tzinfo=UTC),
        until=None,
        release=None,
    )
    model = ModelStatus(environment="prod", model="late", desired=None, live=None, url="", differences=[text])
    drift = DriftResult(reference=text, current="now", reference_rows=1, current_rows=1, columns=[])
    tables = (
        history_table([span]),
        status_table(Status(commit="a" * 40, models=[model], stale_sets=[])),
        drift_table(drift, Path(text)),
    )
    return "".join(map(shown, tables))


@pytest.mark.parametrize("text", WRITTEN)
def test_what_people_wrote_is_no_markup(text: str) -> None:
    """Titles, authors, differences and paths, whatever brackets they hold."""
    assert "".join(told(text).split()).count("".join(text.split())) == 5  # a title is as wide as its table


def test_no_table_makes_a_terminal_obey() -> None:
    """Escape sequences and direction marks of a title do not reach it."""
    assert not set("\x1b\x07\u202e") & set(told("a\x1b]0;owned\x07\u202eb"))
