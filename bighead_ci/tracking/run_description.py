"""What people see of a record in MLflow: parameters, metrics and tags under names that MLflow accepts."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from datetime import UTC
from typing import Any

from bighead_ci.documents.base import canonical_json, short
from bighead_ci.documents.record import ColumnProfile, RunRecord
from bighead_ci.tracking.run_lookup import MODEL_TAG

CONTENT_KEY_TAG = "bighead.content_key"
ID_TAG = "bighead.id"
"""`flight_delay/v2`."""
ARTIFACT_TAG = "bighead.artifact"
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


def parameters_of(record: RunRecord) -> dict[str, str]:
    """The estimator's parameters; strings as they are, all else as JSON, cut to what MLflow takes."""
    return {key_of(name): _text(value) for name, value in record.parameters.items()}


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


def metrics_of(record: RunRecord) -> dict[str, float]:
    """The figures that runs are compared by: each metric of the evaluation by its bare name, its interval in a group.

    All others are in the table of `figures_of`: among a hundred lines nobody finds the one that is looked for.
    """
    found = {key_of(name): metric.value for name, metric in record.evaluation.metrics.items()}
    for name, metric in record.evaluation.metrics.items():
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
    rows = "\n".join(
        f"| {name} | {metric.value:.4f} | {metric.low:.4f} – {metric.high:.4f} |"
        for name, metric in record.evaluation.metrics.items()
    )
    return (
        f"**{record.id}** at commit `{short(record.commit)}`, content key `{short(record.content_key)}`, "
        f"artifact `{short(record.artifact)}`.\n\n| metric | value | 95 % interval |\n|---|---|---|\n{rows}\n\n"
        f"{record.quality.passed} of {len(record.quality.results)} expectations hold. "
        f"All evidence is in the artifact `record.json`, every other figure in the table `{FIGURES}`."
    )
