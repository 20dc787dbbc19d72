"""Canary analysis: one pass over every release that has a canary under way, and what follows from it."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from bighead_ci.definitions.loading import load_gates
from bighead_ci.delivery.analysis import analyse
from bighead_ci.delivery.context import BOT, Context, Progress
from bighead_ci.delivery.desired import Desired, process_name, read_desired
from bighead_ci.delivery.gates import judge_canary
from bighead_ci.delivery.history import release_at
from bighead_ci.delivery.merging import merge_own
from bighead_ci.delivery.release_pr import (
    LABEL,
    approvals_needed,
    open_release_pr,
    release_branch,
    review_release,
)
from bighead_ci.documents.base import Document
from bighead_ci.documents.definition import duration
from bighead_ci.documents.forge import PullRequest
from bighead_ci.documents.live import CanaryAnalysis, LiveVariant
from bighead_ci.documents.release import ALL, Release
from bighead_ci.documents.verdict import Verdict
from bighead_ci.planning.releases import aborted, advanced, classify, retired
from bighead_ci.ports.tree import Tree

EARLY_REQUESTS = 50
"""A candidate that fails its gates over this many requests is stopped without waiting for the soak to end."""


class Step(Document):
    """What one pass did about one canary."""

    environment: str
    model: str
    action: Literal["waits", "advanced", "retired", "reverted", "needs approval"]
    detail: str
    pull_request: int | None = None


def advance(context: Context, progress: Progress) -> list[Step]:
    """Analyse each canary; pass → the next step's pull request, merged unless a person must say yes; fail → revert.

    Raises:
        RetryError: main moved meanwhile.
    """
    commit = context.repository.resolve("main")
    tree = context.repository.tree(commit)
    desired = read_desired(tree, commit)
    steps = []
    for (environment, model), placed in sorted(desired.releases.items()):
        if placed.release.candidate is not None:
            step = _advance_one(context, tree, desired, environment, model, placed.release)
            progress(f"{environment}/{model}: {step.action}: {step.detail}")
            steps.append(step)
    return steps


def _advance_one(
    context: Context, tree: Tree, desired: Desired, environment: str, model: str, release: Release
) -> Step:
    live = {v.name: v for m in context.platform.observe(environment) if m.model == model for v in m.variants}
    if waiting := _not_in_force(model, release, live):
        return Step(environment=environment, model=model, action="waits", detail=waiting)
    analysis = analyse(context, desired, environment, model, release)
    verdict = judge_canary(load_gates(tree), analysis, release.canary)
    moment = decide(release, analysis, verdict)
    if moment == "revert":
        return _revert(context, tree, desired, environment, model, release, analysis)
    if moment == "wait":
        return Step(environment=environment, model=model, action="waits", detail=describe(release, analysis))
    new = retired(release) if release.variants[-1].weight == ALL else advanced(release)
    return _propose(context, tree, desired, environment, model, release, new, analysis)


def _not_in_force(model: str, release: Release, live: dict[str, LiveVariant]) -> str:
    """Why the canary cannot be judged yet, if so: the router does not yet do what main says."""
    for variant in release.variants:
        found = live.get(process_name(model, variant))
        if found is None or found.weight != variant.weight:
            return f"{variant.version} is not yet at {variant.weight} %"
    return ""


def decide(release: Release, analysis: CanaryAnalysis, verdict: Verdict) -> Literal["wait", "advance", "revert"]:
    """Pure: what the evidence allows.

    Failing gates stop a canary as soon as there are enough requests to say so; passing ones only after the soak and
    the plan's number of requests.
    """
    soaked = timedelta(seconds=analysis.seconds) >= duration(release.canary.soak)
    enough = analysis.candidate.requests >= release.canary.minimum_requests
    if not verdict.passed and analysis.candidate.requests >= min(EARLY_REQUESTS, release.canary.minimum_requests):
        return "revert"
    return "advance" if verdict.passed and soaked and enough else "wait"


def describe(release: Release, analysis: CanaryAnalysis) -> str:
    """Where a canary stands, for people."""
    return (
        f"{analysis.weight} % for {analysis.seconds:.0f} s of {release.canary.soak}, {analysis.candidate.requests} of "
        f"{release.canary.minimum_requests} requests, measured {analysis.measured_share:.1f} %"
    )


def _propose(
    context: Context,
    tree: Tree,
    desired: Desired,
    environment: str,
    model: str,
    release: Release,
    new: Release,
    analysis: CanaryAnalysis,
) -> Step:
    change = classify(environment, model, release, new, [])
    pull = _proposed(context, environment, model, new)
    if pull is None:
        report = review_release(context, tree, desired, change, new, analysis)
        body = context.renderer.promotion_markdown(report)
        pull = open_release_pr(context, desired, change, new, body, "Canary analysis passed.")
    needed, because = approvals_needed(desired, change, new)
    if needed > len(pull.approvals()):
        return Step(
            environment=environment, model=model, action="needs approval", detail=because, pull_request=pull.number
        )
    merge_own(context, pull, desired.commit)
    action: Literal["retired", "advanced"] = "retired" if change.move == "retire" else "advanced"
    return Step(
        environment=environment, model=model, action=action, detail=change.description, pull_request=pull.number
    )


def _proposed(context: Context, environment: str, model: str, new: Release) -> PullRequest | None:
    """The open pull request that proposes this very step: written once, so that it keeps its approvals."""
    branch = release_branch(environment, model)
    for pull in context.forge.find("open", LABEL):
        if pull.source == branch and release_at(context, pull.head, environment, model)[0] == new:
            return pull
    return None


def _revert(
    context: Context,
    tree: Tree,
    desired: Desired,
    environment: str,
    model: str,
    release: Release,
    analysis: CanaryAnalysis,
) -> Step:
    """Open and merge the way back, with the evidence in it."""
    new = aborted(release)
    change = classify(environment, model, release, new, [new])
    verdict = judge_canary(load_gates(tree), analysis, release.canary)
    report = review_release(context, tree, desired, change, new, analysis).model_copy(update={"verdict": verdict})
    reasons = "\n".join(f"- {gate}: {rule.message} ({rule.reason})" for gate, rule in verdict.failures)
    body = context.renderer.promotion_markdown(report)
    pull = open_release_pr(context, desired, change, new, body, f"Canary analysis failed:\n{reasons}", BOT)
    merge_own(context, pull, desired.commit)
    first = verdict.failures[0]
    return Step(
        environment=environment,
        model=model,
        action="reverted",
        detail=f"{first[0]}: {first[1].message}",
        pull_request=pull.number,
    )
