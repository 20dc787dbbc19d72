"""What people see of a record in MLflow: parameters, metrics and tags under names that MLflow accepts."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bighead_ci.documents.base import canonical_json, short
from bighead_ci.documents.experiment import AS_WRITTEN, Experiment
from bighead_ci.documents.record import ColumnProfile, EvaluationResult, RunRecord
from bighead_ci.tracking.run_lookup import MODEL_TAG, STATUS_TAG

CONTENT_KEY_TAG = "bighead.content_key"
ID_TAG = "bighead.id"
"""`flight_delay/v2`."""
ARTIFACT_TAG = "bighead.artifact"
BASE_TAG = "bighead.base"
"""Of an experiment: content key of the version as it is written."""
EXPERIMENT_STATUS_TAG = "bighead.experiment"
"""In place of a record's status, so that nothing that looks for records sees an experiment."""
FIGURES = "figures.json"
"""A run's file that MLflow's pages show as a table."""
MAX_KEY_LENGTH = 250
MAX_VALUE_LENGTH = 6000
_NOT_ALLOWED = re.compile(r"[^\w.\- :]")


def key_of(*parts: str) -> str:
    """The parts joined by `/`, by which MLflow's pages group. Different parts always give different keys."""
    cleaned = "/".join(_NOT_ALLOWED.sub("_", part) if part.strip(". ") else "_" for part in parts)
    if cleaned == "/".join(parts) and len(cleaned) <= MAX_KEY_LENGTH:
        return cleaned
    suffix = hashlib.sha256(canonical_json(list(parts)).encode()).hexdigest()[:12]
    return f"{cleaned[: MAX_KEY_LENGTH - 13]}-{suffix}"


@dataclass(frozen=True)
class RunDescription:
    """A run as MLflow's pages show it."""

    experiment: str
    """MLflow's: the group of runs that it is in."""
    name: str
    status_tag: str
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    recorded_at: datetime
    seconds: float
    """That its stages took."""


def of_record(record: RunRecord) -> RunDescription:
    """What MLflow shows of a record, among those of its model."""
    return RunDescription(
        experiment=record.model,
        name=record.id,
        status_tag=STATUS_TAG,
        tags=tags_of(record),
        parameters=parameters_of(record.parameters),
        metrics=metrics_of(record.evaluation),
        recorded_at=record.recorded_at,
        seconds=sum(record.timings.seconds.values()),
    )


def of_experiment(experiment: Experiment) -> RunDescription:
    """What MLflow shows of an experiment, among those of its model."""
    return RunDescription(
        experiment=f"{experiment.model}.experiments",  # no model's name has a dot
        name=f"{experiment.id} {_overridden(experiment)}"[:MAX_KEY_LENGTH],
        status_tag=EXPERIMENT_STATUS_TAG,
        tags=_tags_of_experiment(experiment),
        parameters=parameters_of(experiment.parameters),
        metrics=metrics_of(experiment.evaluation) | _differences_of(experiment),
        recorded_at=experiment.recorded_at,
        seconds=experiment.seconds,
    )


def parameters_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """The estimator's parameters; strings as they are, all else as JSON, cut to what MLflow takes."""
    return {key_of(name): _text(value) for name, value in parameters.items()}


def tags_of(record: RunRecord) -> dict[str, str]:
    """What runs are searched by."""
    return {
        MODEL_TAG: record.model,
        ID_TAG: record.id,
        "bighead.version": record.version,
        CONTENT_KEY_TAG: record.content_key,
        ARTIFACT_TAG: record.artifact,
        "bighead.image": record.image,
        "bighead.commit": record.commit,
        "bighead.training_set": record.training_set_digest,
        "bighead.recorded_at": record.recorded_at.astimezone(UTC).isoformat(),
        "bighead.quality": f"{record.quality.passed}/{len(record.quality.results)}",
        "mlflow.source.git.commit": record.commit,
        "mlflow.source.name": f"models/{record.id}",
        "mlflow.note.content": _note(record),
        "mlflow.loggedArtifacts": canonical_json([{"path": FIGURES, "type": "table"}]),
    }


def _tags_of_experiment(experiment: Experiment) -> dict[str, str]:
    return {
        MODEL_TAG: experiment.model,
        ID_TAG: experiment.id,
        "bighead.version": experiment.version,
        CONTENT_KEY_TAG: experiment.content_key,
        BASE_TAG: experiment.base,
        "bighead.overrides": _text(experiment.overrides),
        "bighead.base_commit": experiment.commit or "none",
        "bighead.dirty": str(experiment.dirty).lower(),
        "bighead.training_set": experiment.training_set,
        "bighead.primary": experiment.evaluation.primary,
        "bighead.recorded_at": experiment.recorded_at.astimezone(UTC).isoformat(),
        "mlflow.source.name": f"models/{experiment.id}",
        "mlflow.note.content": _note_of_experiment(experiment),
    } | ({"mlflow.source.git.commit": experiment.commit} if experiment.commit else {})


def _overridden(experiment: Experiment) -> str:
    return ", ".join(f"{name}={_text(value)}" for name, value in experiment.overrides.items()) or AS_WRITTEN


def _differences_of(experiment: Experiment) -> dict[str, float]:
    """Figures of the paired difference from the version as written, in a group."""
    found: dict[str, float] = {}
    for one in experiment.differences:
        parts = {one.metric: one.difference, f"{one.metric}_low": one.low, f"{one.metric}_high": one.high}
        found |= {key_of("difference", name): value for name, value in parts.items() if math.isfinite(value)}
    return found


def metrics_of(evaluation: EvaluationResult) -> dict[str, float]:
    """The figures that runs are compared by: each metric of the evaluation by its bare name, its interval in a group.

    All others are in the table of `figures_of`: among a hundred lines nobody finds the one that is looked for.
    """
    found = {key_of(name): metric.value for name, metric in evaluation.metrics.items()}
    for name, metric in evaluation.metrics.items():
        found |= {key_of("interval", f"{name}_low"): metric.low, key_of("interval", f"{name}_high"): metric.high}
    return found


def figures_of(record: RunRecord) -> dict[str, Any]:
    """Every other finite figure of the record, as a table in the form that MLflow's pages show.

    A row has what it is about, which part of that (`origin:EWR`), the figure's name, its value, and its interval.
    """
    rows = [row for row in _figures(record) if row[3] is not None and math.isfinite(row[3])]
    return {"columns": ["about", "part", "figure", "value", "low", "high"], "data": [list(row) for row in rows]}


Figure = tuple[str, str, str, float | None, float | None, float | None]


def _figures(record: RunRecord) -> Iterator[Figure]:
    evaluation = record.evaluation
    yield _figure("evaluation", "", "rows", evaluation.rows)
    yield _figure("evaluation", "", "conversion_error", evaluation.conversion_error)
    for part in evaluation.slices:
        group = f"{part.column}:{part.value}"
        yield _figure("slice", group, "rows", part.rows)
        for name, metric in part.metrics.items():
            yield "slice", group, name, metric.value, metric.low, metric.high
    for name, value in record.training_set.model_dump(exclude={"columns", "beyond"}).items():
        yield _figure("training_set", "", name, value)
    for feature, count in record.training_set.beyond.items():
        yield _figure("training_set", feature, "beyond", count)
    yield _figure("quality", "", "passed", record.quality.passed)
    yield _figure("quality", "", "failed", record.quality.failed)
    yield _figure("artifact", "", "bytes", record.artifact_bytes)
    yield _figure("artifact", "", "row_milliseconds", record.row_milliseconds)
    for profile in record.profile:
        yield from _profile(profile)
    for stage, seconds in record.timings.seconds.items():
        yield _figure("seconds", stage, "seconds", seconds)


def _profile(profile: ColumnProfile) -> Iterator[Figure]:
    share = profile.nulls / profile.rows if profile.rows else None
    yield _figure("profile", profile.column, "null_share", share)
    for name in ("mean", "std", "minimum", "maximum"):
        yield _figure("profile", profile.column, name, getattr(profile, name))


def _figure(about: str, part: str, name: str, value: float | None) -> Figure:
    return about, part, name, None if value is None else float(value), None, None


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[: MAX_VALUE_LENGTH - 1]}…"


def _note(record: RunRecord) -> str:
    """The run's description: what a person who opens it wants to know first."""
    return (
        f"**{record.id}** at commit `{short(record.commit)}`, content key `{short(record.content_key)}`, "
        f"artifact `{short(record.artifact)}`.\n\n{_table(record.evaluation)}\n\n"
        f"{record.quality.passed} of {len(record.quality.results)} expectations hold. "
        f"All evidence is in the artifact `record.json`, every other figure in the table `{FIGURES}`."
    )


def _note_of_experiment(experiment: Experiment) -> str:
    where = f"at commit `{short(experiment.commit)}`" if experiment.commit else "at no commit"
    changed = ", with files that are not as in it" if experiment.dirty else ""
    return (
        f"An experiment, which nothing can promote: **{experiment.id}** with {_overridden(experiment)}, "
        f"{where}{changed}; the version as written has content key `{short(experiment.base)}`.\n\n"
        f"{_table(experiment.evaluation)}\n\nAll evidence is in the artifact `experiment.json`."
    )


def _table(evaluation: EvaluationResult) -> str:
    """Metrics, the primary one first."""
    names = sorted(evaluation.metrics, key=lambda name: name != evaluation.primary)
    rows = [
        f"| {name} | {metric.value:.4f} | {metric.low:.4f} – {metric.high:.4f} |"
        for name, metric in ((name, evaluation.metrics[name]) for name in names)
    ]
    return "\n".join(["| metric | value | 95 % interval |", "|---|---|---|", *rows])
