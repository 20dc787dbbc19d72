"""`bighead stage`: one stage of a model version, the command that DVC runs."""

from __future__ import annotations

import time
from pathlib import Path

import click

from bighead_ci.cli.output import answer, checkout_option, json_option, reports_errors, say
from bighead_ci.delivery.stages.failure import leave_failure
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
