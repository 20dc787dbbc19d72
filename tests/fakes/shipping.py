"""What people and the runner do, in one call each, on a delivery context in memory."""

from __future__ import annotations

from bighead_ci.delivery.advance import advance
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.deliver import deliver
from bighead_ci.delivery.promote import promote
from bighead_ci.delivery.reconcile import reconcile
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext, model_version


def merge_version(context: FakeContext, version: str, *, skill: float = 1.0) -> None:
    """Author a version, check its pull request, merge it and open its promotion to staging."""
    context.orchestrator.skill[f"models/late/{version}"] = skill
    before = context.tip
    changes = {**model_version(version), f"models/late/{version}/README.md": f"# {version}\n"}
    pull = context.propose(f"late-{version}", changes)
    assert check_pull_request(context, pull.number, silent).state == "passed"
    context.approve_and_merge(pull.number)
    deliver(context, before, silent)


def merge_promotion(context: FakeContext, environment: str, version: str | None = None) -> PullRequestSummary:
    """Open the promotion, approve and merge it; nobody reconciles."""
    promotion = promote(context.acting("ada"), "late", environment, version)
    assert promotion is not None
    return context.approve_and_merge(promotion.pull_request.number)


def promote_and_merge(context: FakeContext, environment: str, version: str | None = None) -> PullRequestSummary:
    """Open the promotion, approve and merge it, and reconcile."""
    merged = merge_promotion(context, environment, version)
    reconcile(context, silent)
    return merged


def ship(context: FakeContext, version: str, *, skill: float = 1.0) -> None:
    """Bring a new version to staging and start it in prod: alone if it is the first, else as a canary of 10 %."""
    merge_version(context, version, skill=skill)
    promote_and_merge(context, "staging", version)
    promote_and_merge(context, "prod")


def pass_canary(context: FakeContext, passes: int = 3) -> list[str]:
    """Let soak and requests pass and analyse, so many times; what each pass did in prod."""
    actions: list[str] = []
    for _ in range(passes):
        context.clock.forward(60)
        context.telemetry.requests = 1000
        actions += [step.action for step in advance(context, silent) if step.environment == "prod"]
        reconcile(context, silent)
    return actions
