"""`bighead train`: all stages of a model version, as it is written or with other parameters."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Group
from rich.table import Table

from bighead_ci.cli.output import (
    answer,
    checkout_option,
    end_with,
    json_option,
    printable,
    reports_errors,
    say,
    table_of,
)
from bighead_ci.delivery.experiment import Experiments
from bighead_ci.delivery.failures import Failures
from bighead_ci.documents.experiment import AS_WRITTEN, ComparedExperiment, Experiment, ExperimentTable
from bighead_ci.documents.record import Timings
from bighead_ci.errors import BigheadError, InputError
from bighead_ci.planning.experiments import described, flow, lines_to_adopt
from bighead_ci.reporting.figures import figure, interval, signed
from bighead_ci.tasks.registry import title
from bighead_ci.wiring import experiments, stages


@click.command("train")
@click.argument("directory")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE[,VALUE…]",
    help="An experiment with another value of a parameter of model.yaml; repeatable. Several values: one each.",
)
@click.option("--compare", is_flag=True, help="Show every experiment on the version as it is now, best first.")
@checkout_option
@json_option
@reports_errors
def train_command(directory: str, settings: tuple[str, ...], compare: bool, checkout: Path, as_json: bool) -> None:
    """Run all stages of the model version in DIRECTORY (models/flight_delay/v2) here, as the checks would.

    Stages that a pull request or an earlier run finished with the same inputs are reused. What they leave is in
    DIRECTORY/out, and where there is a workspace a page beside it, which compares the run with what serves now.

    With --set the version's files and DIRECTORY/out stay as they are: each experiment is an MLflow run, which nothing
    can promote, and is held against the version as it is written on the rows that both scored.

    \b
    bighead train models/flight_delay/v2
    bighead train models/flight_delay/v2 --set trees=200 --set learning_rate=0.05
    bighead train models/flight_delay/v2 --set trees=100,200,400 --compare
    bighead train models/flight_delay/v2 --compare
    """  # noqa: D301 - click's \b keeps the lines
    root, version = checkout.resolve(), directory.rstrip("/")
    if settings or compare:
        _experiment(root, version, settings, compare=compare, as_json=as_json)
        return
    started = time.monotonic()
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


def _experiment(root: Path, version: str, settings: Sequence[str], *, compare: bool, as_json: bool) -> None:
    """Run what the settings ask for, and show it, beside all that is kept if that was asked for."""
    here = experiments.experiments_here(root, version, say)
    chosen = here.parameters.experiments(settings) if settings else []
    if settings and not chosen:
        raise InputError(f"--set: {here.parameters.file} says that already: there is nothing to compare")
    failures = Failures()
    found: list[Experiment] = []
    if chosen:
        experiments.bring_data(root, version, say)
        found = _run(here, chosen, failures, version)
    table = here.table(here.earlier() if compare else found)
    data = table.model_dump(mode="json") | {"failed": [one.model_dump(mode="json") for one in failures.found]}
    data["adopt"] = lines_to_adopt(table.best.overrides) if table.best else None
    if table.rows:
        answer(data, lambda: Group(experiment_table(table), printable(_advice(table, here.parameters.file))), as_json)
    else:
        known = ", ".join(f"{name} {flow(value)}" for name, value in here.parameters.values.items()) or "none"
        answer(data, f"no experiment on {version} as it is now; --set changes a parameter of it: {known}", as_json)
    end_with(failures.found, as_json)


def _run(here: Experiments, chosen: Sequence[Mapping[str, Any]], failures: Failures, version: str) -> list[Experiment]:
    say(f"{_counted(len(chosen))} on {version}, one after another: {'; '.join(map(described, chosen))}")
    try:
        return here.run(chosen, failures)
    except KeyboardInterrupt:
        say(f"what is done is kept: bighead train {version} --compare")
        raise


def experiment_table(table: ExperimentTable) -> Table:
    """A row each run, best first."""
    columns = [*table.written, title(table.metric), "95 % interval", f"against {AS_WRITTEN}", "", "seconds", "commit"]
    count = _counted(sum(bool(row.overrides) for row in table.rows))
    head = f"{count} on {table.model}/{table.version}, and the version {AS_WRITTEN}"
    caption = f"{'more' if table.higher_is_better else 'less'} is better; {table.command}"
    return table_of(columns, (_cells(table, row) for row in table.rows), head, caption)


def _cells(table: ExperimentTable, row: ComparedExperiment) -> list[str]:
    values = [flow(row.overrides.get(name, value)) for name, value in table.written.items()]
    metric, difference = row.metric, row.difference
    held = row.uncompared if difference is None else signed(difference.difference)
    if difference is not None:
        held += f" {interval(difference.low, difference.high, sign=True)}"
    commit = (row.commit or "none")[:10] + " and edits" * row.dirty
    return [
        *values,
        "" if metric is None else figure(metric.value),
        "" if metric is None else interval(metric.low, metric.high),
        held if row.overrides else AS_WRITTEN,
        row.outcome,
        f"{row.seconds:.1f}",
        commit,
    ]


def _advice(table: ExperimentTable, file: str) -> str:
    """What to do with the best."""
    best = table.best
    if best is None:
        return f"none is better than the version {AS_WRITTEN}"
    doubt = "" if best.outcome == "better" else f", though it is no clear change from the version {AS_WRITTEN}"
    lines = lines_to_adopt(best.overrides)
    return f"the best is {described(best.overrides)}{doubt}; to adopt it, write into {file}:\n{lines}"


def _counted(number: int) -> str:
    return f"{number} experiment{'' if number == 1 else 's'}"
