"""`bighead new`, `bighead schema`: writing definitions."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import click

from bighead_ci.cli.output import answer, checkout_option, json_option, reports_errors
from bighead_ci.definitions.check import check_tree
from bighead_ci.definitions.data_pipeline import PIPELINE
from bighead_ci.definitions.files import Files, Kind, Place
from bighead_ci.definitions.scaffold import (
    NewModel,
    check_name,
    copied_version,
    latest,
    new_feature_set,
    new_model,
)
from bighead_ci.definitions.schema import PUBLISHED, json_schema
from bighead_ci.definitions.shared_locks import is_shared
from bighead_ci.definitions.source_scaffold import RAW, NewSource, data_import, new_source
from bighead_ci.definitions.tree import OverlaidTree
from bighead_ci.documents.base import write_atomically
from bighead_ci.documents.definition import ColumnType
from bighead_ci.errors import InputError, Problem
from bighead_ci.features.data_file import DataFile, describe
from bighead_ci.planning.dvc_pipeline import dvc_yaml
from bighead_ci.ports.tree import Tree
from bighead_ci.tasks.registry import TASKS
from bighead_ci.wiring.work_trees import work_tree
from bighead_ci.words import closest

_OPTION_OF = {
    "spine.source": "--source",
    "label.source": "--label-source",
    "label.column": "--label",
    "label.positive": "--positive",
    "group": "--group",
}
"""Field of model.yaml → the option of `new model` that fills it: nobody has that file yet."""

owner_option = click.option("--owner", default=None, help="Team that answers for it; default: the source's owner.")


@click.group("new")
def new_command() -> None:
    """Write a new model version, feature set version or source that passes `bighead check` at once.

    Nothing that exists is overwritten. A source without --from still lacks the stage that makes its data.
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
@click.option("--task", type=click.Choice([*TASKS]), default=next(iter(TASKS)), show_default=True)
@click.option(
    "--positive", default=None, help="For the template: of two classes that are text, the one that is scored."
)
@click.option("--group", default=None, help="For the template of a ranking: the column whose rows are one list.")
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
    bighead new model bag_minutes --source bags --label minutes --task regression
    """  # noqa: D301 - click's \b keeps the lines
    tree = work_tree(checkout)
    name = given["name"]
    original = _original(tree, "model", name, given["original"])
    if original is not None and given["source"] is None:
        files = copied_version(tree, "model", name, original)
    elif original is not None:
        raise InputError(f"{name} exists ({original.folder}): its next version is a copy, without --source")
    elif given["source"] and given["label"]:
        fields = {
            field: given[field] for field in ("source", "label", "label_source", "task", "owner", "positive", "group")
        }
        files = new_model(tree, name, NewModel(**fields))
    else:
        raise InputError(_nothing_to_copy(tree, "model", name, "--source and --label for the template"))
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
    tree = work_tree(checkout)
    name = given["name"]
    original = _original(tree, "feature-set", name, given["original"])
    if original is not None and given["source"] is None:
        files = copied_version(tree, "feature-set", name, original)
    elif original is not None:
        raise InputError(f"{name} exists ({original.folder}): its next version is a copy, without --source")
    elif given["source"] and given["key"]:
        files = new_feature_set(tree, name, given["source"], given["key"], given["owner"])
    else:
        raise InputError(_nothing_to_copy(tree, "feature-set", name, "--source and --key"))
    _finish(checkout, tree, files, as_json, "edit feature_set.yaml, then `bighead check`")


@new_command.command("source")
@click.argument("name")
@click.option("--from", "data", type=click.Path(path_type=Path), default=None,
              help="Parquet or CSV file that holds its rows; without it, its columns are given.")  # fmt: skip
@click.option("--column", "columns", multiple=True, metavar="NAME:TYPE",
              help="Repeatable; types: int64, float64, string, bool, timestamp.")  # fmt: skip
@click.option("--event-id", default=None, help="Column that is unique per row.")
@click.option("--timestamp", default=None, help="Column that says when the event happened.")
@click.option("--no-timestamp", is_flag=True, help="No column says when: no feature set can read it.")
@click.option("--known-at", default=None, help="Column that says when the row became known.")
@click.option("--owner", required=True, help="Team that answers for it.")
@checkout_option
@json_option
@reports_errors
def new_source_command(checkout: Path, as_json: bool, **given: Any) -> None:
    """Write the definition of source NAME; its data is the Parquet file NAME.parquet beside it, kept by DVC.

    With --from it also writes the stage that makes that file, in the root dvc.yaml. The types of the columns are found
    once, from all rows; --column says another. CSV is UTF-8 with commas and one header row; times without a zone are
    UTC.

    \b
    bighead new source bags --from ~/bags.csv --owner baggage --event-id bag_id --timestamp seen_at
    bighead new source bags --owner baggage --event-id bag_id --timestamp seen_at \\
        --column bag_id:int64 --column seen_at:timestamp --column carrier:string --column late:bool
    """  # noqa: D301 - click's \b keeps the lines
    tree, name, path = work_tree(checkout), given["name"], given["data"]
    columns = dict(_column(text) for text in given["columns"])
    times = {"timestamp": given["timestamp"], "known_at": given["known_at"]}
    if path is None:
        if not columns or not given["event_id"]:
            raise InputError("give --from FILE.parquet (or FILE.csv), or each --column NAME:TYPE and --event-id")
        files = new_source(tree, name, NewSource(columns, given["event_id"], times, given["owner"]))
        then = f"add the stage that makes its Parquet file to {PIPELINE}, then `dvc repro {PIPELINE}`"
        _finish(checkout, tree, files, as_json, then)
        return
    data = describe(path, columns)
    _check_choice(data, given)
    found = {one.name: one.kind for one in data.columns}
    sizes = {one.name: one.size for one in data.columns if one.size is not None}
    raw = _raw_path(checkout, name, path)
    files = new_source(tree, name, NewSource(found, given["event_id"], times, given["owner"], sizes))
    more = data_import(tree, name, data, raw)
    _refuse_problems(tree, files)
    _write_source(checkout, files | more, path, raw)
    written = sorted([*files, *more])
    then = f"`dvc repro {PIPELINE}` makes features/sources/{name}.parquet; commit all but the data"
    lines = [*(f"  {one.name}: {one.kind}" for one in data.columns)]
    lines += [f"  left out {column}: {why}" for column, why in data.left_out.items()]
    lines += [*(f"wrote {one}" for one in written), f"next: {then}"]
    described = {"columns": found, "left_out": dict(data.left_out), "data": raw}
    answer({"written": written, "next": then} | described, "\n".join(lines), as_json)


def _check_choice(data: DataFile, given: Mapping[str, Any]) -> None:
    """Nothing is chosen for a person: which row it is, and when it happened.

    Raises:
        InputError: something is not said, or is no such column.
    """
    problems = []
    if given["event_id"] not in data.event_ids:
        problems.append(_choice("--event-id", given["event_id"], "is unique and never null", data.event_ids))
    if given["no_timestamp"] and (given["timestamp"] or given["known_at"]):
        problems.append("--no-timestamp goes with neither --timestamp nor --known-at")
    elif not given["no_timestamp"] and given["timestamp"] not in data.times:
        words = "says when the event happened (else give --no-timestamp)"
        problems.append(_choice("--timestamp", given["timestamp"], words, data.times))
    if given["known_at"] and given["known_at"] not in data.times:
        problems.append(_choice("--known-at", given["known_at"], "is a time", data.times))
    if problems:
        lines = [f"  {one.name}: {one.kind}" for one in data.columns]
        lines += [f"  left out {column}: {why}" for column, why in data.left_out.items()]
        raise InputError("\n".join([*problems, f"columns of {data.path}:", *lines]))


def _choice(option: str, value: str | None, words: str, allowed: list[str]) -> str:
    said = f"{option} {value} is none that" if value else f"give {option}: a column that"
    return f"{said} {words}; of these: {', '.join(allowed) or 'none'}"


def _raw_path(checkout: Path, name: str, path: Path) -> str:
    """Where the stage reads the file: where it is, if it is in the repository."""
    if path.resolve().is_relative_to(checkout.resolve()):
        return path.resolve().relative_to(checkout.resolve()).as_posix()
    return f"{RAW}/{name}{path.suffix.lower()}"


def _write_source(checkout: Path, files: Mapping[str, bytes], path: Path, raw: str) -> None:
    """Write a source with its import; the definition comes last, so that what was cut short can be seen."""
    if not (checkout / raw).exists():
        (checkout / raw).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, checkout / raw)
    elif (checkout / raw).read_bytes() != path.read_bytes():
        raise InputError(f"{raw} exists already and holds something else; delete it, or choose another name")
    for file in sorted(files, key=lambda one: one.endswith(".yaml") and one != PIPELINE):
        write_atomically(checkout / file, files[file])


@click.command("schema")
@click.argument("kind", type=click.Choice(PUBLISHED))
@reports_errors
def schema_command(kind: str) -> None:
    """Print the JSON Schema of an authored file, for editors that complete and check as you type; or of a report."""
    click.echo(json.dumps(json_schema(kind), indent=1))


def _column(text: str) -> tuple[str, ColumnType]:
    name, colon, kind = text.partition(":")
    if not (name and colon and kind):
        raise InputError(f"--column {text!r} must be NAME:TYPE, as late:bool")
    known: tuple[ColumnType, ...] = get_args(ColumnType)
    for one in known:
        if one == kind:
            return name, one
    meant = closest(kind, known)
    more = f"; did you mean {meant!r}?" if meant else ""
    raise InputError(f"--column {text!r}: {kind} is no type; types: {', '.join(known)}{more}")


def _original(tree: Tree, kind: Kind, name: str, given: str | None) -> Place | None:
    """What to copy: `v1`, `other/v1`, `other`, or by default the latest version of the name itself."""
    check_name(kind, name)
    if given is None:
        return latest(tree, kind, name)
    other, slash, version = given.rpartition("/") if "/" in given or given[:1] == "v" else (given, "", "")
    if slash or version:
        return Place(kind, other or name, version)
    found = latest(tree, kind, other)
    if found is None:
        raise InputError(f"there is no {kind} {other!r} to copy; known: {', '.join(Files(tree).names(kind)) or 'none'}")
    return found


def _nothing_to_copy(tree: Tree, kind: Kind, name: str, options: str) -> str:
    """What to give instead, of what the repository has."""
    files = Files(tree)
    said = f"there is no {kind.replace('-', ' ')} {name} to copy: give {options}"
    others = sorted(place for place in files.places if place.kind == kind)
    if others:
        said += f", or --from {others[-1].name}/{others[-1].of}"
    if not files.names("source"):
        return f"{said}; there is no source yet: begin with `bighead new source`"
    return f"{said}; sources: {', '.join(files.names('source'))}"


def _finish(checkout: Path, tree: Tree, files: Mapping[str, bytes], as_json: bool, then: str) -> None:
    """Check what the repository would be, then write it; the answer lists the files."""
    whole = _with_pipelines(tree, files)
    _refuse_problems(tree, whole)
    _write_new(checkout, whole)
    written = sorted(whole, key=lambda path: (is_shared(path), path))
    lines = [*(f"wrote {path}" for path in written), f"next: {then}"]
    answer({"written": written, "next": then}, "\n".join(lines), as_json)


def _refuse_problems(tree: Tree, files: Mapping[str, bytes]) -> None:
    problems = check_tree(OverlaidTree(tree, files), files)
    if problems:
        raise InputError(map(_about_option, problems))


def _about_option(problem: Problem) -> Problem:
    option = _OPTION_OF.get(problem.subject) if problem.file.endswith("/model.yaml") else None
    return problem if option is None else replace(problem, file=option, line=None, subject="")


def _with_pipelines(tree: Tree, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files, with the generated `dvc.yaml` of a model among them."""
    folder = next((path.rsplit("/", 1)[0] for path in files if path.endswith("/model.yaml")), None)
    if folder is None:
        return dict(files)
    _, name, version = folder.split("/")
    return {**files, f"{folder}/dvc.yaml": dvc_yaml(OverlaidTree(tree, files), name, version).encode()}


def _write_new(checkout: Path, files: Mapping[str, bytes]) -> None:
    """Write files of one new directory (or one new file) whole or not at all, and before it the locks that it shares.

    Raises:
        InputError: it exists, also when somebody else made it meanwhile.
    """
    for path in filter(is_shared, files):
        write_atomically(checkout / path, files[path])
    files = {path: data for path, data in files.items() if not is_shared(path)}
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
