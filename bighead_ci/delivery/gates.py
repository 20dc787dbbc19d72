"""Brings gates and their evidence together, for each occasion. Gates come from main, never from the branch."""

from __future__ import annotations

from collections.abc import Sequence

from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired, process_name
from bighead_ci.delivery.main import Main
from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.live import CanaryAnalysis
from bighead_ci.documents.plan import ReleaseChange
from bighead_ci.documents.record import DriftResult, MetricDifference, RunRecord
from bighead_ci.documents.release import PlacedRelease, Release, Variant
from bighead_ci.documents.report import RunningVersion
from bighead_ci.documents.verdict import GateDefinition, Verdict
from bighead_ci.errors import InputError, RetryError
from bighead_ci.policy.cel import evaluate
from bighead_ci.policy.evidence import canary_evidence, promotion_evidence, pull_request_evidence


def judge_pull_request(
    gates: Sequence[GateDefinition],
    desired: Desired,
    record: RunRecord,
    found: Sequence[MetricDifference],
    running: Sequence[RunningVersion],
    drift: DriftResult | None,
) -> Verdict:
    """What the gates say of a run."""
    unrecorded = _unrecorded(desired, record.model, running)
    return evaluate(gates, "pull_request", pull_request_evidence(record, found, running, unrecorded, drift))


def judge_promotion(
    context: Context,
    gates: Sequence[GateDefinition],
    main: Main,
    change: ReleaseChange,
    record: RunRecord | None,
    weight: int,
    running: Sequence[RunningVersion],
    found: Sequence[MetricDifference],
    drift: DriftResult | None,
) -> Verdict:
    """What the gates say, at this moment, of bringing a run into an environment. Without a record every gate fails."""
    if record is None:
        return evaluate(gates, "promotion", {})
    desired = main.desired
    definition = desired.environment(change.environment)
    before = definition.promotes_from
    release = desired.release(before, change.model) if before else None
    there = [variant for variant in release.variants if _same(variant, record)] if release else []
    serves = before is not None and any(variant.weight for variant in there)
    return evaluate(
        gates,
        "promotion",
        promotion_evidence(
            record,
            found,
            running,
            unrecorded=_unrecorded(desired, change.model, running),
            drift=drift,
            environment=change.environment,
            definition=definition,
            serving_in=[p.environment for p in desired.serving(change.model) if _weight(p.release, record) > 0],
            first_release=desired.release(change.environment, change.model) is None,
            weight=weight,
            from_seconds=_seconds_as_it_is(context, main, before, change.model) if before and serves else None,
            from_requests=_requests(context, before, change.model, there) if before and serves else None,
            from_weight=sum(variant.weight for variant in there) if release else None,
        ),
    )


def _unrecorded(desired: Desired, model: str, running: Sequence[RunningVersion]) -> list[PlacedRelease]:
    """Releases of the model that are not among what runs, because their record is gone."""
    known = {version.environment for version in running}
    return [placed for placed in desired.serving(model) if placed.environment not in known]


def _same(variant: Variant, record: RunRecord) -> bool:
    return (variant.image, variant.artifact) == (record.image, record.artifact)


def _weight(release: Release, record: RunRecord) -> int:
    """The traffic that a release gives this very image and artifact."""
    return sum(variant.weight for variant in release.variants if _same(variant, record))


def _seconds_as_it_is(context: Context, main: Main, environment: str, model: str) -> float | None:
    """For how long, by git, a release is as it is."""
    edits = main.log.of(environment, model, limit=1)
    return (context.clock.now() - edits[0].commit.at).total_seconds() if edits else None


def _requests(context: Context, environment: str, model: str, variants: Sequence[Variant]) -> int | None:
    """How many requests variants answered well since the traffic there last changed; None when nobody can tell."""
    try:
        measured = context.telemetry.measure(environment, model, [process_name(model, v) for v in variants])
    except (InputError, RetryError):
        return None
    return sum(one.requests - one.errors for one in measured.values())


def judge_canary(gates: Sequence[GateDefinition], analysis: CanaryAnalysis | None, plan: CanaryPlan) -> Verdict:
    """What the gates say of a canary; without an analysis every gate fails for want of evidence."""
    return evaluate(gates, "canary", canary_evidence(analysis, plan) if analysis else {})
