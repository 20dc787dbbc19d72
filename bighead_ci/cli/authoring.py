"""`bighead check`, `bighead new`, `bighead schema`: writing definitions and finding out what is wrong with them."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import click

from bighead_ci import wiring
from bighead_ci.cli.output import EXIT_REFUSED, answer, json_option, reports_errors
from bighead_ci.definitions.check import check_tree
from bighead_ci.definitions.files import Files, Kind, Place, place_of
from bighead_ci.definitions.scaffold import (
    NewModel,
    check_name,
    copied_version,
    latest,
    new_feature_set,
    new_model,
    new_source,
)
from bighead_ci.definitions.schema import PUBLISHED, json_schema
from bighead_ci.definitions.tree import DirectoryTree, OverlaidTree
from bighead_ci.documents.base import write_atomically
from bighead_ci.errors import InputError, Problem
from bighead_ci.planning.dvc_pipeline import dvc_yaml
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.versions import version_problems
from bighead_ci.ports.tree import Tree

checkout_option = click.option(
    "--checkout",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The repository's work tree; default: here.",
)
owner_option = click.option("--owner", default=None, help="Team that answers for it; default: the source's owner.")


@click.command("check")
@click.argument("paths", nargs=-1)
@click.option("--write", is_flag=True, help="First write each model's generated dvc.yaml anew.")
@checkout_option
@json_option
@reports_errors
def check_command(paths: tuple[str, ...], write: bool, checkout: Path, as_json: bool) -> None:
    """Check every authored file, or only PATHS and what depends on them.

    All problems come at once, each with file, line, what is allowed and what was probably meant. Exit code 1 if there
    are any. Nothing of yours is executed.

    \b
    bighead check                                everything
    bighead check models/flight_delay/v2         one model version
    bighead check --write                        and bring generated dvc.yaml files up to date
    """  # noqa: D301 - click's \b keeps the lines
    tree = DirectoryTree(checkout)
    if not Files(tree).places:
        raise InputError(f"{checkout.resolve()} has no models/, features/, environments/ or policies/; see --checkout")
    chosen = _files_below(tree, paths) if paths else None
    written = _write_pipelines(tree, checkout) if write else []
    found = check_tree(tree, chosen)
    found += _version_problems(tree, chosen)
    lines = [*(f"wrote {path}" for path in written), *map(str, found)]
    lines.append(f"{len(found)} problem{'' if len(found) == 1 else 's'}" if found else "no problems")
    data = {"problems": [problem.as_json() for problem in found], "written": written}
    answer(data, "\n".join(lines), as_json)
    sys.exit(EXIT_REFUSED if found else 0)


def _write_pipelines(tree: Tree, checkout: Path) -> list[str]:
    stale = {path: text for path, text in _pipelines(tree).items() if not _holds(tree, path, text)}
    for path, text in stale.items():
        write_atomically(checkout / path, text.encode())
    return sorted(stale)


def _version_problems(tree: Tree, chosen: Collection[str] | None) -> list[Problem]:
    """Of every version, or of those with a chosen file: DVC's view of it and its locks."""
    inputs = Inputs(Files(tree), wiring.installed_engine())
    touched = None if chosen is None else {place_of(path) for path in chosen}
    models = [p for p in sorted(inputs.files.places) if p.kind == "model" and (touched is None or p in touched)]
    return [problem for place in models for problem in version_problems(inputs, place.name, place.of)]


def _holds(tree: Tree, path: str, text: str) -> bool:
    return path in tree.files() and tree.read(path) == text.encode()


def _pipelines(tree: Tree) -> dict[str, str]:
    """Path → text of the generated `dvc.yaml` of each model version whose definition can be read."""
    found = {}
    for place in sorted(Files(tree).places):
        if place.kind == "model":
            try:
                found[f"{place.folder}/dvc.yaml"] = dvc_yaml(tree, place.name, place.of)
            except InputError:
                continue
    return found


def _files_below(tree: Tree, paths: tuple[str, ...]) -> list[str]:
    known = list(tree.files())
    chosen = []
    for path in (given.rstrip("/").removeprefix("./") for given in paths):
        below = [file for file in known if file == path or file.startswith(f"{path}/")]
        if not below:
            raise InputError(f"there is no file {path!r}; paths are relative to the repository")
        chosen += below
    return chosen


@click.group("new")
def new_command() -> None:
    """Write a new model version, feature set version or source that passes `bighead check` at once.

    Nothing that exists is overwritten.
    """


@new_command.command("model")
@click.argument("name")
@click.option(
    "--from", "original", default=None, help="Version to copy; default: the latest. Or another model: name/vN."
)
@click.option(
    "--source", default=None, help="For a first version from the template: the source whose rows it learns from."
)
@click.option("--label", default=None, help="For the template: the column it predicts.")
@click.option("--label-source", default=None, help="For the template: the label's source, if it is another.")
@click.option("--task", type=click.Choice(["binary", "multiclass"]), default="binary", show_default=True)
@owner_option
@checkout_option
@json_option
@reports_errors
def new_model_command(checkout: Path, as_json: bool, **given: Any) -> None:
    """Write the next version of model NAME.

    \b
    bighead new model flight_delay                  the latest version, copied to the next number
    bighead new model flight_delay --from v1        v1, copied to the next number
    bighead new model bag_delay --from flight_delay/v2
    bighead new model bag_delay --source bags --label late
    """  # noqa: D301 - click's \b keeps the lines
    tree = DirectoryTree(checkout)
    name = given["name"]
    original = _original(tree, "model", name, given["original"])
    if original is not None and given["source"] is None:
        files = copied_version(tree, "model", name, original)
    elif original is not None:
        raise InputError(f"{name} exists ({original.folder}): its next version is a copy, without --source")
    elif given["source"] and given["label"]:
        fields = {field: given[field] for field in ("source", "label", "label_source", "task", "owner")}
        files = new_model(tree, name, NewModel(**fields))
    else:
        raise InputError(
            f"there is no model {name} to copy: give --source and --label for the template, or --from other_model/v1"
        )
    _finish(checkout, tree, files, as_json, "edit model.yaml and model.py, then `bighead check`")


@new_command.command("feature-set")
@click.argument("name")
@click.option("--from", "original", default=None, help="Version to copy; default: the latest. Or another set: name/vN.")
@click.option("--source", default=None, help="For a first version: the source whose events it aggregates.")
@click.option("--key", multiple=True, help="For a first version: the source's column it is looked up by; repeatable.")
@owner_option
@checkout_option
@json_option
@reports_errors
def new_feature_set_command(checkout: Path, as_json: bool, **given: Any) -> None:
    """Write the next version of feature set NAME.

    \b
    bighead new feature-set carrier_delays                           the latest version, copied to the next number
    bighead new feature-set bag_delays --source bags --key carrier   a first version
    """  # noqa: D301 - click's \b keeps the lines
    tree = DirectoryTree(checkout)
    name = given["name"]
    original = _original(tree, "feature-set", name, given["original"])
    if original is not None and given["source"] is None:
        files = copied_version(tree, "feature-set", name, original)
    elif original is not None:
        raise InputError(f"{name} exists ({original.folder}): its next version is a copy, without --source")
    elif given["source"] and given["key"]:
        files = new_feature_set(tree, name, given["source"], given["key"], given["owner"])
    else:
        raise InputError(f"there is no feature set {name} to copy: give --source and --key")
    _finish(checkout, tree, files, as_json, "edit feature_set.yaml, then `bighead check`")


@new_command.command("source")
@click.argument("name")
@click.option("--column", "columns", multiple=True, required=True, metavar="NAME:TYPE",
              help="Repeatable; types: int64, float64, string, bool, timestamp.")  # fmt: skip
@click.option("--event-id", required=True, help="Column that is unique per row.")
@click.option("--timestamp", default=None, help="Column that says when the event happened.")
@click.option("--known-at", default=None, help="Column that says when the row became known.")
@click.option("--owner", required=True, help="Team that answers for it.")
@checkout_option
@json_option
@reports_errors
def new_source_command(checkout: Path, as_json: bool, **given: Any) -> None:
    """Write the definition of source NAME; its data is the Parquet file NAME.parquet beside it, kept by DVC.

    \b
    bighead new source bags --owner baggage --event-id bag_id --timestamp seen_at \\
        --column bag_id:int64 --column seen_at:timestamp --column carrier:string --column late:bool
    """  # noqa: D301 - click's \b keeps the lines
    tree = DirectoryTree(checkout)
    columns = dict(_column(text) for text in given["columns"])
    times = {"timestamp": given["timestamp"], "known_at": given["known_at"]}
    files = new_source(tree, given["name"], columns, given["event_id"], times, given["owner"])
    _finish(checkout, tree, files, as_json, "add the stage that makes its Parquet file to dvc.yaml, then `dvc repro`")


@click.command("schema")
@click.argument("kind", type=click.Choice(PUBLISHED))
@reports_errors
def schema_command(kind: str) -> None:
    """Print the JSON Schema of an authored file, for editors that complete and check as you type; or of a report."""
    click.echo(json.dumps(json_schema(kind), indent=1))


def _column(text: str) -> tuple[str, str]:
    name, colon, kind = text.partition(":")
    if not (name and colon and kind):
        raise InputError(f"--column {text!r} must be NAME:TYPE, as late:bool")
    return name, kind


def _original(tree: Tree, kind: Kind, name: str, given: str | None) -> Place | None:
    """What to copy: `v1`, `other/v1`, `other`, or by default the latest version of the name itself."""
    check_name(name)
    if given is None:
        return latest(tree, kind, name)
    other, slash, version = given.rpartition("/") if "/" in given or given[:1] == "v" else (given, "", "")
    if slash or version:
        return Place(kind, other or name, version)
    found = latest(tree, kind, other)
    if found is None:
        raise InputError(f"there is no {kind} {other!r} to copy; known: {', '.join(Files(tree).names(kind)) or 'none'}")
    return found


def _finish(checkout: Path, tree: Tree, files: Mapping[str, bytes], as_json: bool, then: str) -> None:
    """Check what the repository would be, then write it; the answer lists the files."""
    whole = _with_pipelines(tree, files)
    problems = check_tree(OverlaidTree(tree, whole), whole)
    if problems:
        raise InputError(problems)
    _write_new(checkout, whole)
    lines = [*(f"wrote {path}" for path in sorted(whole)), f"next: {then}"]
    answer({"written": sorted(whole), "next": then}, "\n".join(lines), as_json)


def _with_pipelines(tree: Tree, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files, with the generated `dvc.yaml` of a model among them."""
    folder = next((path.rsplit("/", 1)[0] for path in files if path.endswith("/model.yaml")), None)
    if folder is None:
        return dict(files)
    _, name, version = folder.split("/")
    return {**files, f"{folder}/dvc.yaml": dvc_yaml(OverlaidTree(tree, files), name, version).encode()}


def _write_new(checkout: Path, files: Mapping[str, bytes]) -> None:
    """Write files of one new directory (or one new file) whole or not at all.

    Raises:
        InputError: it exists, also when somebody else made it meanwhile.
    """
    folders = {path.rsplit("/", 1)[0] for path in files}
    target = Path(min(folders, key=len)) if len(files) > 1 else Path(next(iter(files)))
    (checkout / target.parent).mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".new-", dir=checkout / target.parent))
    try:
        for path, data in files.items():
            file = beside / Path(path).relative_to(target.parent)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        _move(beside / target.name, checkout / target, str(target))
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _move(made: Path, target: Path, shown: str) -> None:
    if target.exists():
        raise InputError(f"{shown} exists already; nothing was written")
    made.rename(target)
