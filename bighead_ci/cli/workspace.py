"""`bighead workspace`: where a clone's forge and state are, and how to stop what runs."""

from __future__ import annotations

from pathlib import Path

import click

from bighead_ci import wiring
from bighead_ci.cli.output import answer, json_option, reports_errors, utc_moment
from bighead_ci.cli.ship import examples
from bighead_ci.demo.seed import BEGINNING, write_seed
from bighead_ci.errors import InputError
from bighead_ci.workspaces.lifecycle import end_workspace, set_moment, workspace_in


@click.group("workspace")
def workspace_command() -> None:
    """Create a workspace, look at it, set its moment, stop what runs in it."""


@workspace_command.command("init")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--seed",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=None,
    help="Directory whose files become the first commit; default: the examples' environments, policies and docs.",
)
@click.option("--at", default=None, help="Moment the workspace lives at (2013-10-01T10:00:00, in UTC); default: now.")
@json_option
@reports_errors
def init_command(directory: Path, seed: Path | None, at: str | None, as_json: bool) -> None:
    """Make DIRECTORY with a bare repository (forge.git), a clone of it (clone) and a state directory (state)."""
    if seed is None:
        if workspace_in(directory.resolve()) is not None:
            raise InputError(f"{directory} has a workspace already; choose another directory")
        seed = write_seed(examples(), directory / "seed", BEGINNING)
    made = wiring.create_workspace(directory, seed, utc_moment(at) if at else None)
    answer(made.model_dump(mode="json"), f"workspace in {directory}: work in {directory / 'clone'}", as_json)


@workspace_command.command("show")
@json_option
@reports_errors
def show_command(as_json: bool) -> None:
    """Where this workspace's forge and state are, and its time."""
    context = wiring.context()
    data = context.workspace.model_dump(mode="json") | {"now": context.data_clock.now().isoformat()}
    answer(data, "\n".join(f"{key:22} {value}" for key, value in data.items()), as_json)


@workspace_command.command("moment")
@click.argument("moment", metavar="TIME|now")
@json_option
@reports_errors
def moment_command(moment: str, as_json: bool) -> None:
    """Let this workspace live at TIME (2026-01-31T12:00:00, in UTC) from now on, or by the machine's clock (now).

    Nothing may run meanwhile: bighead workspace stop, and afterwards bighead runner. Online features, which are of the
    moment before, are deleted; the runner makes them anew.
    """
    changed = set_moment(wiring.context().workspace, None if moment == "now" else utc_moment(moment, "TIME"))
    now = wiring.context_of(changed).data_clock.now()
    answer({"now": now.isoformat()}, f"it is {now:%Y-%m-%d %H:%M:%S} UTC in this workspace", as_json)


@workspace_command.command("stop")
@json_option
@reports_errors
def stop_command(as_json: bool) -> None:
    """Stop the runner, every router and every model's process of this workspace."""
    context = wiring.context()
    names = end_workspace(context.workspace, context.stop_environment)
    answer({"environments": names}, "nothing of this workspace runs any more", as_json)
