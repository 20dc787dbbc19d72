"""What people see of a record in MLflow: parameters, metrics and tags under names that MLflow accepts."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from datetime import UTC
from typing import Any

from bighead_ci.documents.base import canonical_json, short
from bighead_ci.documents.record import ColumnProfile, Metric, RunRecord
from bighead_ci.tracking.run_lookup import MODEL_TAG

CONTENT_KEY_TAG = "bighead.content_key"
ID_TAG = "bighead.id"
"""`flight_delay/v2`."""
ARTIFACT_TAG = "bighead.artifact"
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
    }


def metrics_of(record: RunRecord) -> dict[str, float]:
    """Every finite figure of the record: evaluation with intervals, slices, data, quality, profile, seconds."""
    return {name: float(value) for name, value in _figures(record) if value is not None and math.isfinite(value)}


def _figures(record: RunRecord) -> Iterator[tuple[str, float | None]]:
    evaluation = record.evaluation
    for name, metric in evaluation.metrics.items():
        yield from _interval((name,), metric)
    yield "evaluation/rows", evaluation.rows
    yield "evaluation/conversion_error", evaluation.conversion_error
    for part in evaluation.slices:
        group = f"{part.column}:{part.value}"
        yield key_of("slice", group, "rows"), part.rows
        for name, metric in part.metrics.items():
            yield from _interval(("slice", group, name), metric)
    for name, value in record.training_set.model_dump(exclude={"columns", "beyond"}).items():
        yield key_of("training_set", name), value
    for feature, count in record.training_set.beyond.items():
        yield key_of("training_set", "beyond", feature), count
    yield "quality/passed", record.quality.passed
    yield "quality/failed", record.quality.failed
    yield "artifact_bytes", record.artifact_bytes
    for profile in record.profile:
        yield from _profile(profile)
    for stage, seconds in record.timings.seconds.items():
        yield key_of("seconds", stage), seconds


def _interval(parts: tuple[str, ...], metric: Metric) -> Iterator[tuple[str, float]]:
    *group, name = parts
    yield key_of(*group, name), metric.value
    yield key_of(*group, f"{name}_low"), metric.low
    yield key_of(*group, f"{name}_high"), metric.high


def _profile(profile: ColumnProfile) -> Iterator[tuple[str, float | None]]:
    yield key_of("profile", profile.column, "null_share"), profile.nulls / profile.rows if profile.rows else None
    for name in ("mean", "std", "minimum", "maximum"):
        yield key_of("profile", profile.column, name), getattr(profile, name)


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
        "All evidence is in the artifact `record.json`."
    )
