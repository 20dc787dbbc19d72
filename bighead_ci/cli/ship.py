"""`bighead ship` and `bighead stop`: the demonstration behind `make ship` and `make stop`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

import bighead_ci
from bighead_ci import wiring
from bighead_ci.cli.output import EXIT_INTERRUPTED, console, json_option, reports_errors, say
from bighead_ci.demo.seed import MOMENT, write_seed
from bighead_ci.demo.ship import Ship
from bighead_ci.errors import BigheadError, InputError
from bighead_ci.workspaces.layout import Workspace
from bighead_ci.workspaces.lifecycle import discard_workspace, end_workspace, workspace_in
from bighead_ci.workspaces.runner_process import start_runner

EXAMPLES = Path(bighead_ci.__file__).resolve().parent.parent
"""The checkout that holds the example models; an installed wheel has none."""


@click.command("ship")
@click.argument("directory", type=click.Path(path_type=Path), default=Path(".workspace"))
@reports_errors
def ship_command(directory: Path) -> None:
    """Ship the example models end to end in a scratch workspace DIRECTORY, telling each step.

    A workspace of an earlier run is stopped and replaced. It is left running; `bighead stop` ends it.
    """
    examples()
    directory = directory.resolve()
    try:
        _ship(directory)
    except KeyboardInterrupt:
        console.print(f"\ninterrupted; {_ways_on(directory)}", markup=False)
        sys.exit(EXIT_INTERRUPTED)
    except BigheadError:
        console.print(f"\nnot finished; {_ways_on(directory)}", markup=False)
        raise


def examples() -> Path:
    """The checkout that holds the examples.

    Raises:
        InputError: an installed wheel has none.
    """
    if not (EXAMPLES / "models/flight_delay").is_dir():
        raise InputError("this takes the examples of a source checkout, and this installation has none")
    return EXAMPLES


def _ways_on(directory: Path) -> str:
    return f"{_stop(directory)} ends what still runs, and the same command begins anew"


def _stop(directory: Path) -> str:
    return "`make stop`" if directory == EXAMPLES / ".workspace" else f"`bighead stop {directory}`"


def _ship(directory: Path) -> None:
    started = time.monotonic()
    if directory.exists():
        say(f"replacing {directory}, which an earlier run left")
    discard_workspace(directory, lambda earlier: wiring.context_of(earlier).stop_environment)
    seed = write_seed(EXAMPLES, directory / "seed")
    workspace = wiring.create_workspace(directory, seed, MOMENT)
    start_runner(workspace)  # first, so that the routers have the ports that were found free
    context = wiring.context_of(workspace)
    Ship(context, directory / "clone", EXAMPLES).play()
    console.print(f"\n[bold green]shipped in {time.monotonic() - started:.0f} s[/]; the workspace is left running:")
    for line in _ways_to_look(directory, workspace):
        console.print(f"   {line}", markup=False)


def _ways_to_look(directory: Path, workspace: Workspace) -> list[str]:
    return [
        f'export PATH="{Path(sys.executable).parent}:$PATH"',
        f"cd {directory / 'clone'}        # a git clone; branch, edit, `bighead pr open`",
        "bighead status                    # desired against live",
        "bighead pr list --state all       # … and `bighead pr show 7`: the report of flight_delay v2",
        f"reports          {workspace.reports}",
        f"MLflow           mlflow ui --backend-store-uri sqlite:///{workspace.records}/mlflow.db",
        f"runner's log     {workspace.runner / 'runner.log'}",
        f"to end it all    {_stop(directory)}",
    ]


@click.command("stop")
@click.argument("directory", type=click.Path(path_type=Path), default=Path(".workspace"))
@json_option
@reports_errors
def stop_command(directory: Path, as_json: bool) -> None:
    """Stop everything that runs in the workspace DIRECTORY; its files stay."""
    workspace = workspace_in(directory.resolve())
    stopped = workspace is not None
    if workspace is not None:
        end_workspace(workspace, wiring.context_of(workspace).stop_environment)
    if as_json:
        click.echo(f'{{"stopped": {str(stopped).lower()}}}')
    else:
        click.echo("nothing of this workspace runs any more" if stopped else f"no workspace in {directory}")
