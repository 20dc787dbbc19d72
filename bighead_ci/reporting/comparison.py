"""What the Markdown and the HTML both say about one model: it is worked out once, here.

A difference counts as better or worse only when its whole interval lies on one side of zero.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bighead_ci.delivery.comparison import Outcome, outcome
from bighead_ci.documents.record import Metric, MetricDifference, RunRecord, Slice, Uncompared
from bighead_ci.documents.report import ModelReport, RunningVersion
from bighead_ci.documents.verdict import RuleResult, Verdict
from bighead_ci.tasks.registry import METRICS

_OF_METRICS = frozenset({"metrics", "difference", "gain"})
"""Steps of evidence under which each name is a metric."""


@dataclass(frozen=True)
class Delta:
    """One metric's difference from one run that serves, where it was measured."""

    measured: MetricDifference | None
    outcome: Outcome


@dataclass(frozen=True)
class MetricRow:
    """One metric here, in each environment, and the difference from each run that serves."""

    name: str
    mine: Metric
    theirs: list[float | None]
    """In the order of `compared_on_all`."""
    deltas: list[Delta]
    """In the order of `distinct_runs` of these."""
    base: Delta
    """From the baseline."""
    gates: list[tuple[str, bool]]
    """(gate, passed) of the gates whose rules read this metric."""


@dataclass(frozen=True)
class OtherRows:
    """A run that serves, whose figures are of other rows than this run's: they may not stand beside these."""

    name: str
    """`staging, prod v1`."""
    record: RunRecord
    shared: list[MetricDifference]
    """Both runs on the rows that both scored, by metric; empty where nothing could be compared."""
    uncompared: Uncompared | None
    """Why not."""


@dataclass(frozen=True)
class SliceChange:
    """The primary metric on one slice, here and in the baseline."""

    column: str
    value: str
    rows: int
    mine: Metric
    theirs: Metric | None
    gain: float | None
    """Larger is better, whatever the metric; None without a baseline, or of a metric that this engine does not know."""
    clear: bool
    """The two intervals do not overlap."""


@dataclass(frozen=True)
class Difference:
    """One named thing that is not the same in the baseline."""

    name: str
    theirs: str
    mine: str


def baseline(model: ModelReport) -> RunningVersion | None:
    """What a run is compared with in one number: what the last environment in line serves, if any serves."""
    return model.running[-1] if model.running else None


def label(running: RunningVersion) -> str:
    """`prod v1`."""
    return f"{running.environment} {running.version}"


def distinct_runs(running: Sequence[RunningVersion]) -> list[tuple[str, RunRecord]]:
    """Each record that serves somewhere, once, with where: (`staging, prod v1`, record)."""
    places: dict[str, list[RunningVersion]] = {}
    for one in running:
        places.setdefault(one.record.run_id, []).append(one)
    return [
        (f"{', '.join(place.environment for place in group)} {group[0].version}", group[0].record)
        for group in places.values()
    ]


def compared_on_all(model: ModelReport) -> list[RunningVersion]:
    """What runs and scored every row that this run was evaluated on: its figures there may stand beside these."""
    rows = {one.against: one.rows for one in model.differences}
    return [one for one in model.running if rows.get(one.environment) == model.record.evaluation.rows]


def other_rows(model: ModelReport) -> list[OtherRows]:
    """The other runs: compared on some of the rows, or not at all."""
    beside = {one.environment for one in compared_on_all(model)}
    left = [one for one in model.running if one.environment not in beside]
    first = {one.record.run_id: one.environment for one in reversed(left)}
    return [
        OtherRows(
            name=name,
            record=record,
            shared=[one for one in model.differences if one.against == first[record.run_id]],
            uncompared=next((one for one in model.uncompared if one.against == first[record.run_id]), None),
        )
        for name, record in distinct_runs(left)
    ]


def difference_from(
    differences: Sequence[MetricDifference], metric: str, environment: str | None
) -> MetricDifference | None:
    """The difference of one metric from one environment, if it was measured."""
    return next((d for d in differences if d.metric == metric and d.against == environment), None)


def metric_rows(model: ModelReport) -> list[MetricRow]:
    """All metrics, the primary one first."""
    evaluation = model.record.evaluation
    base, beside = baseline(model), compared_on_all(model)
    places: dict[str, str] = {}
    for running in beside:
        places.setdefault(running.record.run_id, running.environment)
    names = sorted(evaluation.metrics, key=lambda name: (name != evaluation.primary, name))
    return [
        MetricRow(
            name=name,
            mine=evaluation.metrics[name],
            theirs=[_theirs(model, running, name) for running in beside],
            deltas=[_delta(model, name, environment) for environment in places.values()],
            base=_delta(model, name, base.environment if base else None),
            gates=_gates_on(model.verdict, name, primary=name == evaluation.primary),
        )
        for name in names
    ]


def _delta(model: ModelReport, metric: str, environment: str | None) -> Delta:
    measured = difference_from(model.differences, metric, environment)
    return Delta(measured, outcome(measured))


def _theirs(model: ModelReport, running: RunningVersion, metric: str) -> float | None:
    measured = difference_from(model.differences, metric, running.environment)
    return measured.theirs if measured else None


def _gates_on(verdict: Verdict, metric: str, *, primary: bool) -> list[tuple[str, bool]]:
    found = []
    for gate in verdict.gates:
        rules = [rule for rule in gate.rules if _reads(rule, metric, primary=primary)]
        if gate.applied and rules:
            found.append((gate.gate, all(rule.passed for rule in rules)))
    return found


def _reads(rule: RuleResult, metric: str, *, primary: bool) -> bool:
    """Whether an input of the rule is the metric's; an expression that could not be read at all has only its words."""
    read = {one.path[at + 1] for one in rule.inputs for at, step in enumerate(one.path[:-1]) if step in _OF_METRICS}
    words = set(re.findall(r"\w+", rule.expression))
    return metric in (read if rule.inputs else words) or (primary and "primary" in words)


def gate_counts(verdicts: Sequence[Verdict]) -> tuple[int, int]:
    """(passed, applied) over all verdicts."""
    applied = [gate for verdict in verdicts for gate in verdict.gates if gate.applied]
    return sum(gate.passed for gate in applied), len(applied)


def slice_changes(model: ModelReport) -> list[SliceChange]:
    """Every slice with the primary metric, the one that lost most first; without a baseline in the order measured.

    A baseline that was evaluated on other rows is none: its slices hold other rows too.
    """
    primary = model.record.evaluation.primary
    base = slice_baseline(model)
    theirs = {(s.column, s.value): s for s in base.record.evaluation.slices} if base else {}
    changes = [
        _slice_change(primary, mine, theirs.get((mine.column, mine.value)))
        for mine in model.record.evaluation.slices
        if primary in mine.metrics
    ]
    return sorted(changes, key=lambda change: (change.gain is None, change.gain or 0.0))


def slice_baseline(model: ModelReport) -> RunningVersion | None:
    """The baseline, if it and this run were evaluated on the very same rows."""
    base = baseline(model)
    same = (
        base in compared_on_all(model) and base.record.evaluation.rows == model.record.evaluation.rows
        if base
        else False
    )
    return base if same else None


def _slice_change(primary: str, mine: Slice, theirs: Slice | None) -> SliceChange:
    here = mine.metrics[primary]
    there = theirs.metrics.get(primary) if theirs else None
    return SliceChange(
        column=mine.column,
        value=mine.value,
        rows=mine.rows,
        mine=here,
        theirs=there,
        gain=METRICS[primary].gain(here.value - there.value) if there is not None and primary in METRICS else None,
        clear=there is not None and (here.high < there.low or here.low > there.high),
    )


def worse_slices(model: ModelReport) -> list[SliceChange]:
    """The slices that lost against the baseline: those that clearly did, then by how much."""
    worse = [change for change in slice_changes(model) if change.gain is not None and change.gain < 0]
    return sorted(worse, key=lambda change: not change.clear)


def parameter_differences(model: ModelReport) -> list[Difference]:
    """Parameters that are not those of the baseline."""
    base = baseline(model)
    mine, theirs = model.record.parameters, base.record.parameters if base else {}
    return [
        Difference(name, _written(theirs, name), _written(mine, name))
        for name in sorted({*mine, *theirs})
        if _written(mine, name) != _written(theirs, name)
    ]


def _written(parameters: dict[str, Any], name: str) -> str:
    return json.dumps(parameters[name], ensure_ascii=False, sort_keys=True) if name in parameters else "–"


def input_differences(model: ModelReport) -> tuple[list[str], list[str]]:
    """Estimator inputs (added, removed) against the baseline."""
    base = baseline(model)
    if base is None:
        return [], []
    mine, theirs = model.record.training_set.columns, base.record.training_set.columns
    return [c for c in mine if c not in theirs], [c for c in theirs if c not in mine]


def primary_figure(row: MetricRow, rows: int) -> tuple[float, str]:
    """The figure that may stand beside the difference from the baseline, and its rows if these are not all `rows`."""
    measured = row.base.measured
    if measured is None or measured.rows == rows:
        return row.mine.value, ""
    return measured.ours, f"on {measured.rows:,} common rows"


def failing_first(models: Sequence[ModelReport]) -> list[ModelReport]:
    """The models in the order in which a reviewer wants them."""
    return sorted(models, key=lambda model: model.verdict.passed)


def unmeasured_inputs(model: ModelReport) -> list[str]:
    """Estimator inputs that no drift was measured of: new ones, lists and times."""
    drift = model.drift
    measured = {column.column for column in drift.columns} if drift else set()
    return [name for name in model.record.training_set.columns if name not in measured]


def seconds_that_ran(record: RunRecord) -> dict[str, float]:
    """Stage → wall seconds, of the stages that ran when the record was made."""
    timings = record.timings
    return {stage: spent for stage, spent in timings.seconds.items() if stage not in timings.reused}


def other_seconds(model: ModelReport) -> float:
    """What this pull request spent on a model beside its stages: images, drift, record."""
    return max(model.seconds - sum(seconds_that_ran(model.record).values()), 0.0)


def names_of_runs(model: ModelReport) -> dict[str, str]:
    """Environment → what to call the run that serves there, the same words for the same run."""
    words = {run.run_id: name for name, run in distinct_runs(model.running)}
    return {running.environment: words[running.record.run_id] for running in model.running}
