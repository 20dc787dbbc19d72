"""`bighead stage` and `bighead train`: one stage of a model version, the command that DVC runs, and all."""

from __future__ import annotations

import time
from pathlib import Path

import click

from bighead_ci.cli.output import answer, checkout_option, json_option, reports_errors, say
from bighead_ci.delivery.stages.failure import leave_failure
from bighead_ci.documents.record import Timings
from bighead_ci.errors import BigheadError
from bighead_ci.planning.stages import INPUTS_STAGE, STAGE_NAMES
from bighead_ci.wiring import stages


@click.command("stage")
@click.argument("name", type=click.Choice((INPUTS_STAGE, *STAGE_NAMES)))
@click.argument("directory")
@checkout_option
@json_option
@reports_errors
def stage_command(name: str, directory: str, checkout: Path, as_json: bool) -> None:
    """Run stage NAME of the model version in DIRECTORY (models/flight_delay/v2), on the files that are there.

    `inputs` comes first: it writes down what each of the others is told. What a stage leaves is in DIRECTORY/out.
    """
    started = time.monotonic()
    run = stages.write_orders if name == INPUTS_STAGE else lambda *args: stages.run_stage(name, *args)
    with leave_failure(checkout):
        run(checkout.resolve(), directory.rstrip("/"), lambda line: say(f"{name}: {line}"))
    seconds = round(time.monotonic() - started, 3)
    answer({"stage": name, "directory": directory, "seconds": seconds}, f"{name}: done in {seconds:.1f} s", as_json)


@click.command("train")
@click.argument("directory")
@checkout_option
@json_option
@reports_errors
def train_command(directory: str, checkout: Path, as_json: bool) -> None:
    """Run all stages of the model version in DIRECTORY (models/flight_delay/v2) here, as the checks would.

    Stages that a pull request or an earlier run finished with the same inputs are reused. What they leave is in
    DIRECTORY/out, and where there is a workspace a page beside it, which compares the run with what serves now.
    """
    started = time.monotonic()
    root, version = checkout.resolve(), directory.rstrip("/")
    timings = stages.pipeline_here(root).run(root, version, say)
    page = _page(root, version, timings, time.monotonic() - started)
    lines = [f"{name:30} {'reused' if name in timings.reused else f'{s:.1f} s'}" for name, s in timings.seconds.items()]
    lines += [f"page: {page}"] if page else []
    answer(timings.model_dump() | {"page": str(page) if page else None}, "\n".join(lines), as_json)


def _page(root: Path, version: str, timings: Timings, seconds: float) -> Path | None:
    """The page; a run that cannot be compared with anything was made all the same."""
    try:
        return stages.trained_page(root, version, timings, seconds)
    except BigheadError as error:
        say(f"no page: {error}")
        return None
