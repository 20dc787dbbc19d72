"""`bighead lock`: make a version's locks anew."""

from __future__ import annotations

from pathlib import Path

import click

from bighead_ci.cli.output import answer, checkout_option, json_option, reports_errors, say
from bighead_ci.delivery.comparison import changed_packages
from bighead_ci.wiring import stages

MOST_CHANGES = 12
"""That are listed for people; `--json` has all."""


@click.command("lock")
@click.argument("directory")
@click.option(
    "--training", multiple=True, metavar="REQUIREMENT", help="Add or change one; repeatable: torch, numpy==2.4.6"
)
@click.option("--serving", multiple=True, metavar="REQUIREMENT", help="Add or change one; repeatable.")
@click.option("--drop", multiple=True, metavar="NAME", help="No longer ask for it; repeatable.")
@checkout_option
@json_option
@reports_errors
def lock_command(
    directory: str,
    training: tuple[str, ...],
    serving: tuple[str, ...],
    drop: tuple[str, ...],
    checkout: Path,
    as_json: bool,
) -> None:
    """Write training.lock and serving.lock of the model version in DIRECTORY (models/flight_delay/v2).

    They get what the engine needs there and what you ask for; every other version stays as it is. What they share with
    other versions stands in models/_locks/<sha256>.lock, which they name. Asks the package index, and installs nothing.

    \b
    bighead lock models/flight_delay/v4 --training scikit-learn==1.8.0
    bighead lock models/digit_reader/v2 --training torch --training onnxscript
    """  # noqa: D301 - click's \b keeps the lines
    asked = {"training": list(training), "serving": list(serving)}
    done = stages.lock(checkout.resolve(), directory.rstrip("/"), asked, list(drop), say)
    changes = {name: changed_packages(before, after) for name, (before, after) in done.changes.items()}
    lines = [f"{name}.lock: {_listed(found)}" for name, found in changes.items()]
    lines += [f"wrote {path}" for path in done.written]
    lines += [f"removed {path}, which no version shares any more" for path in done.removed]
    answer({"changes": changes, "written": done.written, "removed": done.removed}, "\n".join(lines), as_json)


def _listed(changes: list[str]) -> str:
    shown = "; ".join(changes[:MOST_CHANGES]) or "unchanged"
    return shown if len(changes) <= MOST_CHANGES else f"{shown}; and {len(changes) - MOST_CHANGES} more"
