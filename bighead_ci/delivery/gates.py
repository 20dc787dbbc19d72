"""Brings gates and their evidence together, for each occasion. Gates come from main, never from the branch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bighead_ci.delivery.canary import measure
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.served_images import serves
from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.live import CanaryAnalysis
from bighead_ci.documents.plan import ReleaseChange
from bighead_ci.documents.record import DriftResult, MetricDifference, RunRecord
from bighead_ci.documents.release import PlacedRelease, Release, Variant
from bighead_ci.documents.report import RunningVersion
from bighead_ci.documents.verdict import GateDefinition, Verdict
from bighead_ci.errors import RetryError
from bighead_ci.planning.releases import without_standby
from bighead_ci.policy.cel import evaluate
from bighead_ci.policy.evidence import canary_evidence, promotion_evidence, pull_request_evidence

LOOK_BACK = 8
"""Edits of a release that are looked at for how long its traffic is as it is."""


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
    there = _of_record(context, desired, before, release, record) if before and release else []
    runs = any(variant.weight for variant in there)
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
            serving_in=_serving_in(context, desired, record),
            first_release=desired.release(change.environment, change.model) is None,
            weight=weight,
            from_seconds=_seconds_as_it_is(context, main, before, change.model) if before and runs else None,
            from_requests=_requests(context, desired, before, change.model, there) if before and runs else None,
            from_weight=sum(variant.weight for variant in there) if release else None,
        ),
    )


def _unrecorded(desired: Desired, model: str, running: Sequence[RunningVersion]) -> list[PlacedRelease]:
    """Releases of the model that are not among what runs, because their record is gone."""
    known = {version.environment for version in running}
    return [placed for placed in desired.serving(model) if placed.environment not in known]


def _of_record(
    context: Context, desired: Desired, environment: str, release: Release, record: RunRecord
) -> list[Variant]:
    """The variants of a release that serve this very record; none where nobody can read what its environment is."""
    definition = desired.environments.get(environment)
    if definition is None:
        return []
    return [variant for variant in release.variants if serves(context, environment, definition, variant, record)]


def _serving_in(context: Context, desired: Desired, record: RunRecord) -> list[str]:
    """Environments that give this very record traffic."""
    placed = desired.serving(record.model)
    found = {p.environment: _of_record(context, desired, p.environment, p.release, record) for p in placed}
    return [environment for environment, variants in found.items() if any(variant.weight for variant in variants)]


def _seconds_as_it_is(context: Context, main: Main, environment: str, model: str) -> float | None:
    """For how long, by git, a release gives its traffic as it does; that a standby left changed nothing."""
    since: datetime | None = None
    traffic: list[Variant] | None = None
    for edit in main.log.of(environment, model, limit=LOOK_BACK):
        release, _ = main.reader.attempt(environment, model, edit.after)
        served = without_standby(release).variants if release is not None else None
        if served is None or traffic not in (None, served):
            break
        since, traffic = edit.commit.at, served
    return (context.clock.now() - since).total_seconds() if since else None


def _requests(
    context: Context, desired: Desired, environment: str, model: str, variants: Sequence[Variant]
) -> int | None:
    """How many requests variants answered well since the traffic there last changed; None when nobody can tell."""
    try:
        measured = measure(context, desired, environment, model, variants)
    except RetryError:
        return None
    return sum(one.requests - one.errors for one in measured.variants.values())


def judge_canary(gates: Sequence[GateDefinition], analysis: CanaryAnalysis | None, plan: CanaryPlan) -> Verdict:
    """What the gates say of a canary; without an analysis every gate fails for want of evidence."""
    return evaluate(gates, "canary", canary_evidence(analysis, plan) if analysis else {})
