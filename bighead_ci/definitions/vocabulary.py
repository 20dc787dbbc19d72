"""Every path that evidence can have, by occasion: a rule that names another can never pass, so `check` says so.

`*` stands for one name (an environment, a request field, an input). A prefix of a path is a path too.
"""

from __future__ import annotations

from collections.abc import Sequence

from bighead_ci.documents.verdict import Occasion, written_path
from bighead_ci.tasks.registry import METRICS

_METRIC = ("value", "low", "high")


Steps = tuple[str | int | None, ...]
"""A path of an expression; None where a step is computed."""


def _each_metric(path: str, *parts: str) -> tuple[str, ...]:
    return tuple(f"{path}.{metric}.{part}" for metric in METRICS for part in parts)


_CANDIDATE = (
    "candidate.model",
    "candidate.version",
    "candidate.task",
    "candidate.primary",
    *_each_metric("candidate.metrics", *_METRIC, "higher_is_better", "scale"),
    "candidate.slices",
    "candidate.rows",
    "candidate.train_rows",
    "candidate.evaluate_rows",
    "candidate.unlabelled",
    "candidate.immature",
    "candidate.quality.passed",
    "candidate.quality.failed",
    "candidate.quality.failures",
    "candidate.drift.drifted",
    "candidate.drift.columns",
    "candidate.drift.important",
    "candidate.drift.reference",
    "candidate.conversion_error",
    "candidate.kind",
    "candidate.row_milliseconds",
    "candidate.artifact_bytes",
    "candidate.seconds",
    "candidate.sandbox",
)
_RUNNING = (
    "running.*.version",
    "running.*.weight",
    *_each_metric("running.*.metrics", *_METRIC, "higher_is_better", "scale"),
    *_each_metric("running.*.difference", *_METRIC, "rows"),
    *_each_metric("running.*.gain", *_METRIC),
    "running.*.request.*.type",
    "running.*.request.*.required",
)
_REQUEST = ("request.*.type", "request.*.required")
_ENVIRONMENT = (
    "environment.name",
    "environment.platform",
    "environment.promotes_from",
    "environment.approvals",
    "environment.first_release",
)
_PROMOTION = (
    "promotion.serving_in",
    "promotion.from.seconds",
    "promotion.from.requests",
    "promotion.from.weight",
    "promotion.weight",
    "promotion.steps",
)
_VARIANT = (
    "version",
    "requests",
    "errors",
    "error_ratio",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "least_p95_ms",
    "score_mean",
    "null_ratio.*",
)
_ANALYSIS = (
    "analysis.weight",
    "analysis.measured_share",
    "analysis.seconds",
    "analysis.error_rise",
    "analysis.score_shift",
    *(f"analysis.candidate.{part}" for part in (*_VARIANT, "null_ratio_max_rise", "null_ratio_max_rise_of")),
    *(f"analysis.stable.{part}" for part in _VARIANT),
)
_PLAN = ("plan.soak_seconds", "plan.minimum_requests", "plan.steps", "plan.person_above")

VOCABULARY: dict[Occasion, tuple[str, ...]] = {
    "pull_request": (*_CANDIDATE, *_RUNNING, *_REQUEST),
    "promotion": (*_CANDIDATE, *_RUNNING, *_REQUEST, *_ENVIRONMENT, *_PROMOTION, *_PLAN),
    "canary": (*_ANALYSIS, *_PLAN, "environment.name"),
}
"""Occasion → paths its evidence can have."""
_PATTERNS = {occasion: [tuple(path.split(".")) for path in paths] for occasion, paths in VOCABULARY.items()}


def is_known(occasion: Occasion, steps: Steps) -> bool:
    """Whether a path can be in the evidence of an occasion."""
    return any(_matches(pattern, steps) for pattern in _PATTERNS[occasion])


def filled(occasion: Occasion, steps: Steps) -> list[str]:
    """Known paths with their `*` filled from the given path, as a rule would write them, for suggestions."""
    found = [map(_filled, pattern, (*steps, *pattern[len(steps) :])) for pattern in _PATTERNS[occasion]]
    return [written_path(tuple(path)) for path in found]


def known_beside(occasion: Occasion, steps: Steps) -> list[str]:
    """Names that could stand where a path leaves what is known."""
    good = max(length for length in range(len(steps) + 1) if length == 0 or is_known(occasion, steps[:length]))
    return sorted({p[good] for p in _PATTERNS[occasion] if len(p) > good and _matches(p, steps[:good])})


def _matches(pattern: Sequence[str], steps: Steps) -> bool:
    if len(steps) > len(pattern):
        return False
    return all(
        step is None or (isinstance(step, str) and want in ("*", step))
        for want, step in zip(pattern, steps, strict=False)
    )


def _filled(want: str, given: str | int | None) -> str:
    return given if want == "*" and isinstance(given, str) else want
