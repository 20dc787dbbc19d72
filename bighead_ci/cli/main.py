"""The command line: one lazily loaded module a group of commands, so that `--help` stays quick."""

from __future__ import annotations

import importlib

import click

from bighead_ci import __doc__ as about
from bighead_ci.words import closest

COMMANDS = {
    "ship": ("bighead_ci.cli.ship", "Ship the example models end to end in a scratch workspace."),
    "stop": ("bighead_ci.cli.ship", "Stop everything that runs in a workspace."),
    "new": ("bighead_ci.cli.authoring", "Write a new model, feature set or source directory that passes `check`."),
    "check": ("bighead_ci.cli.check", "Check every authored file; all problems at once, with file and line."),
    "lock": ("bighead_ci.cli.locks", "Make the locks of a model version anew, with what you ask for."),
    "retrain": ("bighead_ci.cli.retrain", "Write what the next run of a version is made of: its moment, its data."),
    "schema": ("bighead_ci.cli.authoring", "Print the JSON Schema of an authored file, or of a report."),
    "train": ("bighead_ci.cli.train", "Run all stages of a model version here, or experiments with its parameters."),
    "stage": ("bighead_ci.cli.stage", "Run one stage of a model version (what DVC calls)."),
    "pr": ("bighead_ci.cli.pr", "Open, look at, approve and merge pull requests."),
    "status": ("bighead_ci.cli.questions", "Desired against live: what main says, what runs, every difference."),
    "history": ("bighead_ci.cli.questions", "Who served what, when: from git alone."),
    "trace": ("bighead_ci.cli.questions", "Follow a prediction back to the commit that made its model."),
    "drift": ("bighead_ci.cli.questions", "Compare what a model is asked now with what it was trained on."),
    "explain": ("bighead_ci.cli.gates", "Show what a gate says and why, or what a model's scores rest on."),
    "promote": ("bighead_ci.cli.delivery", "Open the pull request that brings a version into an environment."),
    "rollback": ("bighead_ci.cli.delivery", "Take a release back, or say beforehand whether that is possible."),
    "runner": ("bighead_ci.cli.runner", "Watch the local forge; ci, deliver, reconcile, advance as they become due."),
    "render": ("bighead_ci.cli.render", "Write the manifests of environments on a cluster, or check them."),
    "ci": ("bighead_ci.cli.delivery", "Run the checks of a pull request and post its report."),
    "deliver": ("bighead_ci.cli.delivery", "After a merge: records, first promotion pull requests, outdated checks."),
    "reconcile": ("bighead_ci.cli.delivery", "Bring every environment to what main says."),
    "advance": ("bighead_ci.cli.delivery", "Analyse every canary once: the next step, the revert, the retirement."),
    "images": ("bighead_ci.cli.images", "List, build, verify and collect images of model versions; what is in one."),
    "features": ("bighead_ci.cli.features", "Materialise features for serving, and read them."),
    "traffic": ("bighead_ci.cli.traffic", "Send real rows of a source to a model at a steady rate."),
    "workspace": ("bighead_ci.cli.workspace", "Create a workspace, look at it, set its moment, stop what runs in it."),
}


class LazyGroup(click.Group):
    """Imports a command's module only when the command is run or its own help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return the command; each module exports it as `<name>_command`."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name what was probably meant by a command that does not exist: click knows only those that are loaded."""
        meant = closest(args[0], COMMANDS)
        if args[0] not in COMMANDS and meant is not None:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {meant!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """The overview, from the table: importing nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=LazyGroup, help=about)
@click.version_option(package_name="bighead-ci")
def main() -> None:
    """Entry point."""
