"""Brings gates and their evidence together, for each occasion. Gates come from main, never from the branch."""

from __future__ import annotations

from collections.abc import Sequence

from bighead_ci.definitions.loading import load_gates, load_model
from bighead_ci.delivery.analysis import analyse
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired, read_desired
from bighead_ci.delivery.running import differences, running_versions
from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.live import CanaryAnalysis
from bighead_ci.documents.plan import ReleaseChange
from bighead_ci.documents.record import MetricDifference, RunRecord
from bighead_ci.documents.release import Release
from bighead_ci.documents.report import RunningVersion
from bighead_ci.documents.verdict import GateDefinition, GateResult, Verdict
from bighead_ci.errors import InputError
from bighead_ci.planning.change import planned_models
from bighead_ci.planning.content import content_key
from bighead_ci.policy.cel import evaluate
from bighead_ci.policy.evidence import canary_evidence, promotion_evidence, pull_request_evidence
from bighead_ci.ports.tree import Tree


def judge_pull_request(
    gates: Sequence[GateDefinition],
    record: RunRecord,
    found: Sequence[MetricDifference],
    running: Sequence[RunningVersion],
) -> Verdict:
    """What the gates say of a run."""
    return evaluate(gates, "pull_request", pull_request_evidence(record, found, running))


def judge_promotion(
    context: Context,
    gates: Sequence[GateDefinition],
    desired: Desired,
    change: ReleaseChange,
    record: RunRecord | None,
    weight: int,
    running: Sequence[RunningVersion],
    found: Sequence[MetricDifference],
) -> Verdict:
    """What the gates say, at this moment, of bringing a run into an environment. Without a record every gate fails."""
    if record is None:
        return evaluate(gates, "promotion", {})
    definition = desired.environment(change.environment)
    before = desired.release(definition.promotes_from, change.model) if definition.promotes_from else None
    soaked = _seconds_at_present_weight(context, definition.promotes_from, change.model) if before else None
    return evaluate(
        gates,
        "promotion",
        promotion_evidence(
            record,
            found,
            running,
            environment=change.environment,
            definition=definition,
            serving_in=[p.environment for p in desired.serving(change.model) if _weight(p.release, record) > 0],
            first_release=desired.release(change.environment, change.model) is None,
            weight=weight,
            from_seconds=soaked,
            from_weight=_weight(before, record) if before else None,
        ),
    )


def _weight(release: Release, record: RunRecord) -> int:
    """The traffic that a release gives this very image and artifact."""
    return sum(v.weight for v in release.variants if (v.image, v.artifact) == (record.image, record.artifact))


def _seconds_at_present_weight(context: Context, environment: str | None, model: str) -> float | None:
    """Since when, by git, a release is as it is."""
    commits = context.repository.log("main", f"environments/{environment}/{model}.yaml", limit=1)
    return (context.clock.now() - commits[0].at).total_seconds() if commits else None


def judge_canary(gates: Sequence[GateDefinition], analysis: CanaryAnalysis | None, plan: CanaryPlan) -> Verdict:
    """What the gates say of a canary; without an analysis every gate fails for want of evidence."""
    return evaluate(gates, "canary", canary_evidence(analysis, plan) if analysis else {})


def explain(
    context: Context, name: str, model_version: str | None, number: int | None, canary: str | None
) -> list[GateResult]:
    """One gate's verdict on a record, on what a pull request brings, or on a canary under way.

    Raises:
        InputError: no such gate, or nothing to judge.
    """
    commit = context.repository.resolve("main")
    tree = context.repository.tree(commit)
    gates = load_gates(tree)
    gate = [g for g in gates if g.name == name]
    if not gate:
        raise InputError(f"there is no gate {name!r} in policies/ on main; gates: {', '.join(g.name for g in gates)}")
    desired = read_desired(tree, commit)
    if canary is not None:
        analysis, plan = _canary(context, desired, canary, model_version)
        return judge_canary(gate, analysis, plan).gates
    results = []
    for record in _records(context, tree, model_version, number):
        running = running_versions(context, desired, record.model)
        results += judge_pull_request(gate, record, differences(context, record, running), running).gates
    if not results:
        raise InputError(f"gate {name!r} is not about pull requests (on: {', '.join(gate[0].on)}); try --canary")
    return results


def _canary(
    context: Context, desired: Desired, environment: str, model: str | None
) -> tuple[CanaryAnalysis, CanaryPlan]:
    name = (model or "").split("/")[0]
    release = desired.release(environment, name)
    if release is None or release.candidate is None:
        raise InputError(f"no canary of {name or 'any model (give --model)'} is under way in {environment}")
    return analyse(context, desired, environment, name, release), release.canary


def _records(context: Context, tree: Tree, model_version: str | None, number: int | None) -> list[RunRecord]:
    if number is not None:
        pull = context.forge.get(number)
        base = context.repository.merge_base(context.repository.resolve(pull.target), pull.head)
        head = context.repository.tree(pull.head)
        planned = planned_models(context.repository.tree(base), head, context.engine)
        keys = {one.id: one.content_key for one in planned}
    elif model_version is not None:
        name, _, version = model_version.partition("/")
        keys = {model_version: content_key(tree, load_model(tree, name, version), context.engine)}
    else:
        raise InputError("say what to judge: --model flight_delay/v2, --pr 3, or --canary prod --model flight_delay")
    found = {name: context.records.by_content_key(key) for name, key in keys.items()}
    missing = sorted(name for name, record in found.items() if record is None)
    if missing or not found:
        raise InputError(f"no record yet of {', '.join(missing) or 'anything in that pull request'}")
    return [record for record in found.values() if record is not None]
