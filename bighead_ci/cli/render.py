"""`bighead render`: the manifests that belong to releases and environments."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bighead_ci.cli.output import EXIT_REFUSED, answer, checkout_option, json_option, reports_errors
from bighead_ci.delivery.rendering import outdated_files
from bighead_ci.documents.base import write_atomically
from bighead_ci.wiring.work_trees import checkout_at


@click.command("render")
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 if anything is not as it would be written.")
@checkout_option
@json_option
@reports_errors
def render_command(check: bool, checkout: Path, as_json: bool) -> None:
    """Write what releases and environments on a cluster are rendered to, and remove what none is any more.

    Commands that edit a release commit its files with it. This one is for what people edit: an environment.yaml, or
    the resources of a version in its model.yaml. Files lie in environments/<env>/rendered/; the cluster is not asked.

    \b
    bighead render              before you commit an edited environment.yaml
    bighead render --check      in a check: the required checks of a pull request do the same
    """  # noqa: D301 - click's \b keeps the lines
    here = checkout_at(checkout)
    changes = outdated_files(here.context(), here.tree)
    if not check:
        for path, content in changes.items():
            if content is None:
                (checkout / path).unlink(missing_ok=True)
            else:
                write_atomically(checkout / path, content)
    did = {True: ("is missing or not as rendered", "is rendered by nothing"), False: ("wrote", "removed")}[check]
    lines = []
    for path, content in sorted(changes.items()):
        word = did[content is None]
        lines.append(f"{path}: {word}" if check else f"{word} {path}")
    data = {"written" if not check else "outdated": sorted(changes)}
    answer(data, "\n".join(lines) or "everything is as rendered", as_json)
    if check and changes:
        sys.exit(EXIT_REFUSED)
