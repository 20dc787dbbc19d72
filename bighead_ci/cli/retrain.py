"""`bighead retrain`: write what the next run of a model version is made of; its pull request trains it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from bighead_ci.cli.output import answer, checkout_option, json_option, reports_errors, utc_moment
from bighead_ci.definitions.files import VERSION
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.documents.base import short, write_atomically
from bighead_ci.errors import InputError
from bighead_ci.planning.runs import next_run, run_files
from bighead_ci.wiring import stages

NOW = "now"


@click.command("retrain")
@click.argument("version", metavar="MODEL/VERSION")
@click.option("--as-of", default=None, metavar="now|TIME", help="The moment whose knowledge training uses; UTC.")
@click.option(
    "--pin-data/--unpin-data",
    "pinned",
    default=None,
    help="Name the data of every source by its digest in dvc.lock now; or let them move with dvc.lock.",
)
@checkout_option
@json_option
@reports_errors
def retrain_command(version: str, as_of: str | None, pinned: bool | None, checkout: Path, as_json: bool) -> None:
    """Write run.yaml of MODEL/VERSION: the next run of the same version, on another day or other data.

    The version may be released: its meaning stays. Nothing is trained here; the pull request with the file is checked,
    trained, judged and promoted like any other, and gives the version another artifact. The same question twice writes
    nothing the second time.

    \b
    bighead retrain flight_delay/v2 --as-of now
    bighead retrain flight_delay/v2 --as-of 2013-10-01 --pin-data
    bighead retrain flight_delay/v2 --unpin-data
    """  # noqa: D301 - click's \b keeps the lines
    if as_of is None and pinned is None:
        raise InputError("say what the next run is made of: --as-of, --pin-data or --unpin-data")
    name, slash, number = version.removeprefix("models/").rstrip("/").partition("/")
    if not slash or not VERSION.fullmatch(number):
        raise InputError(f"{version!r} is no model version; as flight_delay/v2")
    inputs = stages.inputs_of(checkout)
    before = inputs.definitions.model(name, number)
    moment = None if as_of is None else _moment(as_of, checkout)
    run = next_run(inputs.definitions, name, number, as_of=moment, pinned=pinned)
    files = run_files(DirectoryTree(checkout), name, number, run)
    for path, content in files.items():
        write_atomically(checkout / path, content)
    lines = [f"wrote {path}" for path in files] or [f"{before.path}/run.yaml says so already"]
    key, words = _content_key(checkout, name, number)
    lines.append(words)
    data = {"version": before.id, "run": run.model_dump(mode="json"), "written": [*files], "content_key": key}
    answer(data, "\n".join(lines), as_json)


def _content_key(checkout: Path, name: str, number: str) -> tuple[str | None, str]:
    """The key of the next run, and what is to be done for it; None where something else is missing still."""
    inputs = stages.inputs_of(checkout)
    try:
        key = inputs.of(inputs.definitions.model(name, number)).content_key
    except InputError as error:
        return None, f"before a pull request can train it: {error}"
    return key, f"content key {short(key)}; commit the change and open a pull request, which trains it"


def _moment(text: str, checkout: Path) -> datetime:
    """To the second: what is written is read by people."""
    found = stages.data_clock_here(checkout).now() if text == NOW else utc_moment(text, "--as-of")
    return found.replace(microsecond=0)
