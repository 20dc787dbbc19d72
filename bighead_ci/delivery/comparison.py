"""How a record compares with what environments run now: metrics on shared rows, drift, libraries, the request."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from bighead_ci.delivery.context import Context
from bighead_ci.delivery.stages.predictions import scored_rows
from bighead_ci.documents.definition import RequestField
from bighead_ci.documents.record import Comparison, DriftResult, MetricDifference, RunRecord, RunResult, Uncompared
from bighead_ci.documents.report import RunningVersion
from bighead_ci.documents.target import Target
from bighead_ci.features.parquet import read_file
from bighead_ci.planning.stages import PREDICTIONS, SAMPLE
from bighead_ci.tasks.measuring import paired_differences
from bighead_ci.tasks.registry import METRICS, task_named
from bighead_ci.transforms.pairing import Unmatched, match_rows

Outcome = Literal["better", "worse", "no clear change", ""]


def compare(context: Context, record: RunRecord, running: Sequence[RunningVersion]) -> Comparison:
    """Paired differences of every metric against each environment's version, and of whom there are none and why.

    The gates then see that the evidence is missing.
    """
    ours = context.records.file(record.run_id, PREDICTIONS)
    return compare_predictions(context, record.evaluation.target, ours, running)


def compare_predictions(
    context: Context, target: Target, ours: Path | None, running: Sequence[RunningVersion]
) -> Comparison:
    """The same of predictions that need not be recorded; None: they are gone."""
    by_run: dict[str, list[MetricDifference] | Unmatched] = {}
    differences: list[MetricDifference] = []
    uncompared: list[Uncompared] = []
    for one in running:
        run = one.record.run_id
        if run not in by_run:
            theirs = Predictions(context.records.file(run, PREDICTIONS), one.record.evaluation.target, one.version)
            mine = Predictions(ours, target, "this run")
            by_run[run] = compared_rows(mine, theirs, against=one.environment, model_version=one.version)
        found, where = by_run[run], one.environment
        if isinstance(found, Unmatched):
            uncompared.append(
                Uncompared(against=where, model_version=one.version, reason=found.reason, changed=found.changed)
            )
        else:
            differences += [d.model_copy(update={"against": where}) for d in found]
    return Comparison(differences=differences, uncompared=uncompared)


@dataclass(frozen=True)
class Predictions:
    """What a run gave its evaluation rows."""

    file: Path | None
    """None: it is gone."""
    target: Target
    whose: str
    """How messages call the run: `v2`."""


def compared_rows(
    ours: Predictions, theirs: Predictions, against: str, model_version: str
) -> list[MetricDifference] | Unmatched:
    """Paired differences of every metric on the rows that both scored, or why there are none.

    Args:
        ours: Of one run.
        theirs: Of the one that is subtracted.
        against: What the differences say that theirs is.
        model_version: Theirs.
    """
    if reason := task_named(ours.target.task).why_incomparable(ours.target, theirs.target):
        return Unmatched(f"{theirs.whose} {reason}")
    if ours.file is None or theirs.file is None:
        return Unmatched(f"the predictions of {(ours if ours.file is None else theirs).whose} are gone")
    matched = match_rows(read_file(ours.file), read_file(theirs.file), theirs.whose)
    if isinstance(matched, Unmatched):
        return matched
    mine, others = scored_rows(matched.ours, ours.target), scored_rows(matched.theirs, theirs.target)
    return paired_differences(mine, others, against=against, model_version=model_version)


def outcome(difference: MetricDifference | None) -> Outcome:
    """Better or worse when the whole interval says so; nothing of a metric that this engine does not know."""
    if difference is None or not all(map(math.isfinite, (difference.low, difference.high))):
        return ""
    if difference.metric not in METRICS:
        return ""
    low, high = METRICS[difference.metric].gains(difference.low, difference.high)
    if low > 0:
        return "better"
    return "worse" if high < 0 else "no clear change"


def request_changes(record: RunRecord, running: Sequence[RunningVersion]) -> list[str]:
    """What callers must know: how the request differs from the one that the last environment in line takes."""
    if not running:
        return []
    theirs, where = running[-1].record.request, running[-1]
    label = f"{where.environment} ({where.version})"
    changes = []
    for name in sorted(record.request.keys() - theirs.keys()):
        kind = "required" if record.request[name].required else "optional"
        changes.append(f"new {kind} field {name} that callers of {label} do not send")
    changes += [
        f"field {name}, which callers of {label} send, is no longer read"
        for name in sorted(theirs.keys() - record.request.keys())
    ]
    for name in sorted(record.request.keys() & theirs.keys()):
        changes += _field_changes(name, record.request[name], theirs[name], label)
    return changes


def _field_changes(name: str, ours: RequestField, theirs: RequestField, label: str) -> list[str]:
    changes = []
    if (ours.type, ours.size) != (theirs.type, theirs.size):
        changes.append(f"field {name} changes type from {theirs.type} to {ours.type} against {label}")
    if ours.required and not theirs.required:
        changes.append(f"field {name} becomes required against {label}")
    return changes


def drift(context: Context, record: RunRecord, running: Sequence[RunningVersion]) -> DriftResult | None:
    """The training set against the one of what the last environment in line serves.

    It is a function of two records, so it is measured once for them and kept with the newer one.

    Returns:
        None where nothing else serves, or a record kept no sample.
    """
    others = [version for version in running if version.record.run_id != record.run_id]
    if not others:
        return None
    other = others[-1].record
    kept = context.records.file(record.run_id, f"{_drift_name(other)}.json")
    if kept is not None:
        return DriftResult.read(kept)
    reference, current = context.records.file(other.run_id, SAMPLE), context.records.file(record.run_id, SAMPLE)
    if reference is None or current is None:
        return None
    return _measured(context, record, other, (reference, current))


def drift_of_sample(
    context: Context, result: RunResult, sample: Path, running: Sequence[RunningVersion]
) -> DriftResult | None:
    """The same as `drift`, of a run that is not recorded; nothing is kept."""
    reference = context.records.file(running[-1].record.run_id, SAMPLE) if running else None
    if reference is None:
        return None
    with TemporaryDirectory(prefix="bighead-drift-") as name:
        return _compared(context, result, running[-1].record, (reference, sample), Path(name) / "drift.html")


def drift_page(context: Context, record: RunRecord, running: Sequence[RunningVersion]) -> Path | None:
    """Evidently's own page about what `drift` measured."""
    others = [version for version in running if version.record.run_id != record.run_id]
    return context.records.file(record.run_id, f"{_drift_name(others[-1].record)}.html") if others else None


def _measured(context: Context, record: RunRecord, other: RunRecord, samples: tuple[Path, Path]) -> DriftResult:
    with TemporaryDirectory(prefix="bighead-drift-") as name:
        page, file = Path(name) / "drift.html", Path(name) / "drift.json"
        found = _compared(context, record, other, samples, page)
        found.write(file)
        files = {f"{_drift_name(other)}.json": file}
        if page.exists():
            files[f"{_drift_name(other)}.html"] = page
        context.records.attach(record.run_id, files)
    return found


def _compared(
    context: Context, ours: RunResult, other: RunRecord, samples: tuple[Path, Path], page: Path
) -> DriftResult:
    reference, current = (read_file(path) for path in samples)
    names = (f"training set of {other.id}", f"training set of {ours.id}")
    return context.drift.compare(reference, current, names, html=page).weighed(ours.evaluation.importance)


def _drift_name(other: RunRecord) -> str:
    return f"drift/{other.run_id}"


def package_changes(record: RunRecord, running: Sequence[RunningVersion]) -> dict[str, list[str]]:
    """Lock → what differs from the one of what the last environment in line serves: `scikit-learn 1.9.1 → 1.10.0`."""
    if not running:
        return {}
    theirs = running[-1].record.packages
    return {lock: changed_packages(theirs.get(lock, {}), ours) for lock, ours in record.packages.items()}


def changed_packages(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Differences of two locks, by name; pure."""
    changes = []
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            changes.append(f"{name} {after[name]} is new")
        elif name not in after:
            changes.append(f"{name} {before[name]} is gone")
        elif before[name] != after[name]:
            changes.append(f"{name} {before[name]} → {after[name]}")
    return changes
