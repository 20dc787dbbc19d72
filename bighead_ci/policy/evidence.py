"""Builds the evidence that gates read, from documents; pure. `definitions.vocabulary` lists every path.

What is not known is left out, never made up: a rule that names it fails closed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bighead_ci.documents.definition import CanaryPlan, RequestField, duration
from bighead_ci.documents.environment import EnvironmentDefinition
from bighead_ci.documents.live import CanaryAnalysis, VariantTelemetry
from bighead_ci.documents.record import DriftResult, Metric, MetricDifference, RunRecord, Slice
from bighead_ci.documents.release import PlacedRelease, Variant
from bighead_ci.documents.report import RunningVersion
from bighead_ci.tasks.registry import METRICS

_ROUTER_FIELDS = ("version", "requests", "errors", "error_ratio")
"""What is known of a variant without asking its process."""


def pull_request_evidence(
    record: RunRecord,
    differences: Sequence[MetricDifference],
    running: Sequence[RunningVersion],
    unrecorded: Sequence[PlacedRelease] = (),
    drift: DriftResult | None = None,
) -> dict[str, Any]:
    """Evidence on one model version: `candidate`, `running` by environment, `request`.

    Args:
        record: The run being judged.
        differences: Paired differences against what runs; `against` is an environment's name.
        running: What each environment serves now; an environment that serves nothing is absent.
        unrecorded: Releases of the model whose record cannot be found: they serve, and nothing else is known.
        drift: Of the training set against the one of what the last environment in line serves.
    """
    unknown = {one.environment: _unrecorded(one.release.stable) for one in unrecorded}
    return {
        "candidate": candidate(record, drift),
        "running": unknown | {version.environment: _running(version, differences) for version in running},
        "request": _request(record.request),
    }


def promotion_evidence(
    record: RunRecord,
    differences: Sequence[MetricDifference],
    running: Sequence[RunningVersion],
    *,
    unrecorded: Sequence[PlacedRelease] = (),
    drift: DriftResult | None = None,
    environment: str,
    definition: EnvironmentDefinition,
    serving_in: Sequence[str],
    first_release: bool,
    weight: int,
    from_seconds: float | None = None,
    from_requests: int | None = None,
    from_weight: int | None = None,
) -> dict[str, Any]:
    """Evidence on bringing a version into an environment: that of the pull request, `environment`, `promotion`, `plan`.

    Args:
        record: The candidate's run.
        differences: As for the pull request.
        running: As for the pull request.
        unrecorded: As for the pull request.
        drift: As for the pull request.
        environment: Where it would go.
        definition: That environment, as main has it.
        serving_in: Environments whose release gives this very image and artifact traffic.
        first_release: Nothing of this model serves there yet.
        weight: Percent of traffic it would start with.
        from_seconds: How long it has served in the environment this one promotes from, as it does now.
        from_requests: How many requests it answered there since the traffic there last changed.
        from_weight: Its weight there, in percent.
    """
    before = {"seconds": from_seconds, "requests": from_requests, "weight": from_weight}
    return pull_request_evidence(record, differences, running, unrecorded, drift) | {
        "environment": {
            "name": environment,
            "platform": definition.platform,
            "promotes_from": definition.promotes_from,
            "approvals": definition.approvals,
            "first_release": first_release,
        },
        "promotion": {
            "serving_in": sorted(serving_in),
            "from": before,
            "weight": weight,
            "steps": definition.canary.steps,
        },
        "plan": _plan(definition.canary),
    }


def canary_evidence(analysis: CanaryAnalysis, plan: CanaryPlan) -> dict[str, Any]:
    """Evidence on a canary under way: `analysis`, `plan`, `environment.name`.

    A candidate that answered, by the router, while its own process told nothing of it has no latencies, scores or
    nulls: the zeros of the telemetry then stand for what could not be asked.
    """
    rise, where = _largest_rise(analysis.candidate.null_ratio, analysis.stable.null_ratio)
    newcomer = _telemetry(analysis.candidate) | {"null_ratio_max_rise": rise, "null_ratio_max_rise_of": where}
    silent = analysis.candidate.requests > analysis.candidate.errors and not analysis.candidate.score_histogram.total
    if silent:
        newcomer = {name: value for name, value in newcomer.items() if name in _ROUTER_FIELDS}
    return {
        "environment": {"name": analysis.environment},
        "analysis": {
            "weight": analysis.weight,
            "measured_share": analysis.measured_share,
            "seconds": analysis.seconds,
            "error_rise": analysis.error_rise,
            "score_shift": None if silent else analysis.score_shift,
            "candidate": newcomer,
            "stable": _telemetry(analysis.stable),
        },
        "plan": _plan(plan),
    }


def candidate(record: RunRecord, drift: DriftResult | None) -> dict[str, Any]:
    """What one run says of itself."""
    evaluation = record.evaluation
    return {
        "model": record.model,
        "version": record.version,
        "task": record.task,
        "primary": evaluation.primary,
        "metrics": _metrics(evaluation.metrics),
        "slices": [_slice(one) for one in evaluation.slices],
        "rows": record.training_set.rows,
        "train_rows": record.training_set.train_rows,
        "evaluate_rows": record.training_set.evaluate_rows,
        "unlabelled": record.training_set.unlabelled,
        "immature": record.training_set.immature,
        "quality": {
            "passed": record.quality.passed,
            "failed": record.quality.failed,
            "failures": [
                f"{one.suite}: {one.type} {one.column or ''}".strip()
                for one in record.quality.results
                if not one.success
            ],
        },
        "drift": None
        if drift is None
        else {
            "drifted": drift.drifted,
            "columns": [column.column for column in drift.columns if column.drifted],
            "important": drift.matters,
            "reference": drift.reference,
        },
        "conversion_error": evaluation.conversion_error,
        "kind": record.kind,
        "row_milliseconds": record.row_milliseconds,
        "artifact_bytes": record.artifact_bytes,
        "seconds": sum(record.timings.seconds.values()),
        "sandbox": record.sandbox,
    }


def _running(version: RunningVersion, differences: Sequence[MetricDifference]) -> dict[str, Any]:
    ours = [one for one in differences if one.against == version.environment]
    return {
        "version": version.version,
        "weight": version.weight,
        "metrics": _metrics(version.record.evaluation.metrics),
        "difference": {
            one.metric: {"value": one.difference, "low": one.low, "high": one.high, "rows": one.rows} for one in ours
        },
        "gain": {one.metric: _gain(one) for one in ours if one.metric in METRICS},
        "request": _request(version.record.request),
    }


def _unrecorded(stable: Variant) -> dict[str, Any]:
    return {"version": stable.version, "weight": stable.weight}


def _gain(one: MetricDifference) -> dict[str, float]:
    """The difference counted so that more is better."""
    metric = METRICS[one.metric]
    low, high = metric.gains(one.low, one.high)
    return {"value": metric.gain(one.difference), "low": low, "high": high}


def _metrics(metrics: dict[str, Metric]) -> dict[str, dict[str, Any]]:
    """Each metric with the way in which it is good and the scale of its differences, if this engine knows it."""
    found: dict[str, dict[str, Any]] = {}
    for name, one in metrics.items():
        found[name] = {"value": one.value, "low": one.low, "high": one.high}
        if (known := METRICS.get(name)) is not None:
            found[name] |= {"higher_is_better": known.higher_is_better, "scale": known.scale(one.value)}
    return found


def _slice(one: Slice) -> dict[str, Any]:
    """A slice; a metric that is undefined on it (AUC with one class) is left out, so rules ask `in s.metrics`."""
    defined = {name: metric for name, metric in one.metrics.items() if math.isfinite(metric.value)}
    finite = {
        name: {part: value for part, value in parts.items() if math.isfinite(value)}
        for name, parts in _metrics(defined).items()
    }
    return {"column": one.column, "value": one.value, "rows": one.rows, "metrics": finite}


def _request(fields: dict[str, RequestField]) -> dict[str, Any]:
    return {name: {"type": field.type, "required": field.required} for name, field in fields.items()}


def _telemetry(one: VariantTelemetry) -> dict[str, Any]:
    return {
        "version": one.version,
        "requests": one.requests,
        "errors": one.errors,
        "error_ratio": one.error_ratio,
        "p50_ms": one.p50_ms,
        "p95_ms": one.p95_ms,
        "p99_ms": one.p99_ms,
        "least_p95_ms": one.least_p95_ms,
        "score_mean": one.score_mean,
        "null_ratio": dict(one.null_ratio),
    }


def _plan(plan: CanaryPlan) -> dict[str, Any]:
    return {
        "soak_seconds": duration(plan.soak).total_seconds(),
        "minimum_requests": plan.minimum_requests,
        "steps": plan.steps,
        "person_above": plan.person_above,
    }


def _largest_rise(candidate: dict[str, float], stable: dict[str, float]) -> tuple[float, str]:
    """The input whose share of nulls rose most, among the inputs both have; (0, "") without any."""
    rises = {name: candidate[name] - stable[name] for name in candidate.keys() & stable.keys()}
    if not rises:
        return 0.0, ""
    worst = max(sorted(rises), key=lambda name: rises[name])
    return rises[worst], worst
