"""What docs/operations.md says of tries and pauses is what the duties do."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from bighead_ci.runner import canaries, checks, deliveries, online_features, reconciliation
from bighead_ci.runner.backoff import Backoff
from bighead_ci.runner.commands import advice
from bighead_ci.runner.duty import BROKEN

OPERATIONS = (Path(__file__).parents[2] / "docs/operations.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of a table under a heading."""
    section = OPERATIONS.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def seconds(text: str) -> timedelta:
    """`5 s`, `5 min`."""
    found = re.fullmatch(r"(\d+) (s|min)", text)
    assert found, text
    return timedelta(seconds=int(found[1]) * {"s": 1, "min": 60}[found[2]])


def test_the_table_of_pauses_is_true() -> None:
    """First pause, longest pause, tries, and where it is kept over a restart."""
    told = {row[0]: row[1:] for row in rows("### Pauses")}
    known: dict[str, tuple[Backoff, str]] = {
        "a pull request's head": (checks.BACKOFF, f"{checks.TRIES}; those that end in 75 or a kill do not count"),
        "a commit of main to deliver": (deliveries.BACKOFF, "no end"),
        "a model in an environment": (reconciliation.BACKOFF, "no end"),
        "main's feature sets": (online_features.BACKOFF, "no end"),
        "a canary": (canaries.BACKOFF, "no end"),
        "a whole duty": (BROKEN, "no end"),
    }
    assert told.keys() == known.keys()
    for name, (backoff, tries) in known.items():
        first, longest, said_tries, kept = told[name][1:]
        assert (seconds(first), seconds(longest), said_tries) == (backoff.first, backoff.longest, tries), name
        assert (kept != "no") == (name in {"a pull request's head", "a commit of main to deliver"}), name


def test_the_table_of_exit_codes_is_true() -> None:
    """What a command's exit code asks for."""
    told = {code: row[1] for row in rows("### Exit codes of its commands") for code in row[0].split(", ")}
    assert {code: advice(int(code)) for code in told if code.isdigit()} == {
        code: words for code, words in told.items() if code.isdigit()
    }
    assert told.keys() == {"0", "1", "2", "70", "75", "a signal"}
    assert told["a signal"] == advice(-9)


def test_the_rhythm_that_is_told_is_true() -> None:
    """How often each thing is looked at."""
    told = " ".join(" ".join(row) for row in rows("## Runner"))
    assert f"every {reconciliation.PROBE.total_seconds():.0f} s" in told
    assert f"{checks.PARALLEL} at once" in told
    assert canaries.EVERY == reconciliation.PULSE == timedelta(seconds=1)
    assert told.count("once a second") == 2
