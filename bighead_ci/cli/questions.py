"""Questions: status, history, trace, drift."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bighead_ci import wiring
from bighead_ci.cli.bars import bar_table
from bighead_ci.cli.output import (
    EXIT_REFUSED,
    answer,
    json_option,
    printable,
    reports_errors,
    say,
    table_of,
    utc_moment,
)
from bighead_ci.delivery.history import ServedSpan, history
from bighead_ci.delivery.live_drift import live_drift
from bighead_ci.delivery.status import Status, status
from bighead_ci.delivery.trace import Trace, trace
from bighead_ci.documents.base import short
from bighead_ci.documents.live import LiveVariant, Prediction
from bighead_ci.documents.record import DriftResult
from bighead_ci.wiring.duties import reasons
from bighead_ci.workspaces.runner_process import runner_pid


@click.command("status")
@json_option
@reports_errors
def status_command(as_json: bool) -> None:
    """Desired against live: what main says, what runs, and every difference.

    Exit code 1 when something differs. Feature sets are listed while their online features are not of main's data.
    """
    context = wiring.context()
    found, runner = status(context, reasons=reasons(context.workspace)), runner_pid(context.workspace)
    data = found.model_dump(mode="json") | {"in_step": found.in_step, "runner": runner}
    answer(data, lambda: status_table(found), as_json)
    if runner is None:
        say("no runner watches this workspace, so nothing moves by itself; start one: bighead runner")
    sys.exit(0 if found.in_step else EXIT_REFUSED)


def status_table(found: Status) -> Table:
    """A row each model in an environment, and each feature set that is stale."""
    rows = []
    for model in found.models:
        said = ", ".join(f"{v.version} {v.weight} %" for v in model.desired.variants) if model.desired else "nothing"
        live = ", ".join(map(_live_words, model.live.variants)) if model.live else "nothing"
        rows.append((model.environment, model.model, said, live, model.url, "; ".join(model.differences) or "none"))
    rows += [("online features", one.set, "", "", "", f"stale: {one.words}") for one in found.stale_sets]
    columns = ("environment", "model", "main says", "live", "url", "difference")
    return table_of(columns, rows, f"main {found.commit[:10]}: {'in step' if found.in_step else 'DIFFERENCES'}")


def _live_words(variant: LiveVariant) -> str:
    again = f" (started again {variant.restarts} times: {variant.restarted})" if variant.restarts else ""
    return f"{variant.version} {variant.weight} % {variant.state}{again}"


@click.command("history")
@click.argument("model", required=False)
@click.option("--env", "environment", default=None, help="Only this environment.")
@click.option("--at", default=None, help="Only what served at this moment (2026-01-31T12:00:00, in UTC).")
@json_option
@reports_errors
def history_command(model: str | None, environment: str | None, at: str | None, as_json: bool) -> None:
    """Who served what, when: from git alone, newest first."""
    spans = history(wiring.context(), model, environment, utc_moment(at) if at else None)
    if spans or as_json:
        answer({"spans": [span.model_dump(mode="json") for span in spans]}, lambda: history_table(spans), as_json)
    else:
        where = " ".join(filter(None, [model or "anything", environment and f"in {environment}", at and f"at {at}"]))
        answer({}, f"main never said that {where} serves; what it said of all: bighead history", as_json)


def history_table(spans: Sequence[ServedSpan]) -> Table:
    """A row each span."""
    rows = [
        (
            f"{one.since:%Y-%m-%d %H:%M:%S}",
            one.environment,
            one.model,
            one.split,
            one.commit[:10],
            one.author,
            one.subject,
        )
        for one in spans
    ]
    return table_of(("since (UTC)", "environment", "model", "served", "commit", "by", "why"), rows)


@click.command("trace")
@click.argument("prediction_id")
@click.option("--explain", "explained", is_flag=True, help="Show what each input added to the answer, too.")
@json_option
@reports_errors
def trace_command(prediction_id: str, explained: bool, as_json: bool) -> None:
    """Follow a prediction: variant → artifact → run → training set → features → commit.

    With --explain its artifact is asked what the logged inputs added to the score: kinds trees and linear can tell.
    """
    found = trace(wiring.context(), prediction_id, explained=explained)
    answer(found.model_dump(mode="json"), lambda: _traced(found), as_json)


def _traced(found: Trace) -> Group:
    explanation = found.explanation
    tables = [bar_table(part, explanation.of) for part in explanation.attributions] if explanation else []
    return Group(Text(printable(trace_text(found))), *tables)


@click.command("drift")
@click.argument("model")
@click.option("--env", "environment", required=True, help="Environment.")
@json_option
@reports_errors
def drift_command(model: str, environment: str, as_json: bool) -> None:
    """Compare what MODEL is asked now with what it was trained on, column by column (Evidently).

    The whole page is written beside the reports.
    """
    context = wiring.context()
    page = context.reports / "drift" / environment / f"{model}.html"
    found = live_drift(context, model, environment, page)
    answer(found.model_dump(mode="json") | {"page": str(page)}, lambda: drift_table(found, page), as_json)


def drift_table(found: DriftResult, page: Path) -> Table:
    """A row each input."""
    title = f"{found.drifted} of {len(found.columns)} inputs drifted: {found.current} against {found.reference}"
    rows = []
    for one in found.columns:
        mark = "drifted" if one.matters else "drifted, little used" if one.drifted else ""
        weight = "" if one.importance is None else f"{one.importance:.1%}"
        rows.append((one.column, one.method, f"{one.score:.3f}", f"{one.threshold:.3f}", weight, mark))
    return table_of(("input", "method", "score", "threshold", "of the scores", ""), rows, title, str(page))


def _seen(prediction: Prediction) -> list[str]:
    """The request, and what was found of each feature set, with the moment up to which it knew events, and its age."""
    sets = {name.split("/")[0]: name for name in prediction.known_until}
    features: dict[str, dict[str, Any]] = {}
    for name, value in prediction.inputs.items():
        prefix, dot, feature = name.partition(".")
        if dot:
            features.setdefault(prefix, {})[feature] = value
    lines = [f"{'request':13} {_values(prediction.request)}"]
    for prefix, values in features.items():
        place = sets.get(prefix, prefix)
        until = prediction.known_until.get(place)
        age = "" if until is None else f"as of {until:%Y-%m-%d %H:%M:%S} UTC ({prediction.as_of - until} before): "
        lines.append(f"{place:13} {age}{_values(values)}")
    return lines


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in values.items())


def trace_text(found: Trace) -> str:
    """What a terminal shows of a trace."""
    p = found.prediction
    lines = [
        f"prediction    {p.prediction_id} at {p.at:%Y-%m-%d %H:%M:%S} UTC, scores {p.scores}",
        f"variant       {p.variant} of {p.model} in {p.environment}; features as of {p.as_of:%Y-%m-%d %H:%M:%S} UTC",
        *_seen(p),
        f"artifact      {p.artifact}",
    ]
    if found.span:
        span = found.span
        lines.append(f"released by   {span.commit[:10]} {span.subject} ({span.author}): {span.split}")
    if found.record is None:
        lines.append(f"run           {found.run or 'unknown'}: {found.missing}")
    else:
        r = found.record
        lines += [
            f"run           {r.run_id}",
            f"to look at it {found.run_url or found.run_command}",
            f"training set  {short(r.training_set_digest)}: {r.training_set.rows} rows",
            *[f"features      {f.set} {short(f.digest)}: {', '.join(f.columns)}" for f in r.features],
            f"content key   {short(r.content_key)}",
            f"commit        {r.commit}",
        ]
    return "\n".join(lines)
