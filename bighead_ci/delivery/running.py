"""What each environment serves now, with its record, and how a new record compares on the rows both scored."""

from __future__ import annotations

import pyarrow.parquet as pq

from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired
from bighead_ci.documents.definition import RequestField
from bighead_ci.documents.record import MetricDifference, RunRecord
from bighead_ci.documents.report import RunningVersion
from bighead_ci.transforms.metrics import paired_differences


def running_versions(context: Context, desired: Desired, model: str) -> list[RunningVersion]:
    """The stable variant of each environment that serves the model and whose record is known."""
    found = []
    for placed in desired.serving(model):
        stable = placed.release.stable
        record = context.records.by_run(stable.run)
        if record is not None:
            found.append(
                RunningVersion(
                    environment=placed.environment, version=stable.version, weight=stable.weight, record=record
                )
            )
    return found


def differences(context: Context, record: RunRecord, running: list[RunningVersion]) -> list[MetricDifference]:
    """Paired differences of every metric against each environment's version.

    A version of another task, or without rows in common, gives none; the gates then see that the evidence is missing.
    """
    ours_path = context.records.file(record.run_id, "predictions.parquet")
    if ours_path is None:
        return []
    ours = pq.read_table(ours_path)
    by_run: dict[str, list[MetricDifference]] = {}
    found: list[MetricDifference] = []
    for version in running:
        other = version.record
        if other.run_id not in by_run:
            path = context.records.file(other.run_id, "predictions.parquet")
            by_run[other.run_id] = (
                []
                if path is None
                else paired_differences(
                    ours, pq.read_table(path), against=version.environment, model_version=version.version
                )
            )
        found += [d.model_copy(update={"against": version.environment}) for d in by_run[other.run_id]]
    return found


def request_changes(record: RunRecord, running: list[RunningVersion]) -> list[str]:
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
