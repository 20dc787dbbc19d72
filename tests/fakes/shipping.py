"""What people and the runner do, in one call each, on a delivery context in memory."""

from __future__ import annotations

from bighead_ci.delivery.advance import advance
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.deliver import deliver
from bighead_ci.delivery.promote import promote
from bighead_ci.delivery.reconcile import reconcile
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.documents.histogram import UNIT_BOUNDS, Histogram
from bighead_ci.documents.release import process_name
from bighead_ci.documents.telemetry import VariantCounts
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext, model_version

BOUNDS = [0.001, 0.002, 0.004, 0.1, 0.25, 1.0]
"""Of the latencies that variants report, in seconds."""


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


def traffic(
    context: FakeContext,
    requests: int,
    *,
    errors: int = 0,
    seconds: float = 0.002,
    nulls: int = 0,
    shifted: bool = False,
    environment: str = "prod",
) -> None:
    """Each variant of the release answers so many requests now; what is said of errors and so on is of the newest.

    Scores are as in the evaluation unless they are shifted.
    """
    release = context.release(environment)
    assert release is not None
    for variant in release.variants:
        newest = variant is release.variants[-1]
        failed = errors if newest else 0
        counts = answers(
            requests - failed,
            seconds=seconds if newest else 0.002,
            nulls=nulls if newest else 0,
            shifted=shifted and newest,
        )
        counts = counts.model_copy(update={"requests": requests, "errors": failed})
        context.telemetries[environment].answer("late", process_name("late", variant), counts)


def answers(number: int, *, seconds: float = 0.002, nulls: int = 0, shifted: bool = False) -> VariantCounts:
    """So many good answers, each after so many seconds."""
    scores = [0] * (len(UNIT_BOUNDS) + 1)
    for index in range(number):
        scores[0 if shifted else index % len(UNIT_BOUNDS)] += 1
    faster = sum(bound < seconds for bound in BOUNDS)
    return VariantCounts(
        requests=number,
        answers=number,
        seconds=Histogram(bounds=BOUNDS, counts=[number * (index == faster) for index in range(len(BOUNDS) + 1)]),
        scores=Histogram(bounds=UNIT_BOUNDS, counts=scores),
        score_sum=sum(count * (index + 0.5) / len(UNIT_BOUNDS) for index, count in enumerate(scores)),
        nulls={"distance": nulls},
    )


def pass_canary(context: FakeContext, passes: int = 3, *, errors: int = 0, environment: str = "prod") -> list[str]:
    """Let soak and requests pass and analyse, so many times; what each pass did in the environment."""
    actions: list[str] = []
    for _ in range(passes):
        context.clock.forward(60)
        traffic(context, 1000, errors=errors, environment=environment)
        actions += [step.action for step in advance(context, silent).steps if step.environment == environment]
        reconcile(context, silent)
    return actions
