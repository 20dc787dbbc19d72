"""Canary analysis: one pass over every release of two variants, a canary or a standby, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bighead_ci.delivery.approvals import approvals_needed, approvers
from bighead_ci.delivery.canary import analyse_canary
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.failures import Failures
from bighead_ci.delivery.gates import judge_canary
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.merge import merge_judged
from bighead_ci.delivery.proposal import Proposal
from bighead_ci.delivery.release_files import changes_to, files_in, release_files
from bighead_ci.delivery.release_pr import (
    goes_back,
    open_release,
    open_release_pr,
    review_release,
)
from bighead_ci.delivery.report_files import keep_promotion
from bighead_ci.documents.base import Document
from bighead_ci.documents.failure import Failure
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.documents.live import CanaryAnalysis
from bighead_ci.documents.plan import ReleaseChange
from bighead_ci.documents.release import Release, process_name
from bighead_ci.documents.verdict import Verdict
from bighead_ci.errors import InputError
from bighead_ci.planning.releases import aborted, advanced, classify, retired
from bighead_ci.policy.canary import Decision, decide, describe
from bighead_ci.ports.progress import Progress

Action = Literal["waits", "advanced", "retired", "reverted", "needs approval"]


class Step(Document):
    """What one pass did about one canary."""

    environment: str
    model: str
    action: Action
    detail: str
    pull_request: int | None = None


class CanaryPass(Document):
    """What one pass did, and the canaries that it could do nothing about."""

    steps: list[Step]
    failures: list[Failure]


@dataclass(frozen=True)
class _Canary:
    """A canary under way, as one commit of main says."""

    context: Context
    main: Main
    environment: str
    model: str
    release: Release

    def step(self, action: Action, detail: str, pull_request: int | None = None) -> Step:
        return Step(
            environment=self.environment, model=self.model, action=action, detail=detail, pull_request=pull_request
        )

    def change(self, new: Release, history: list[Release]) -> ReleaseChange:
        return classify(self.environment, self.model, self.release, new, history)


@dataclass(frozen=True)
class _Judged:
    """A canary whose present step is over."""

    canary: _Canary
    analysis: CanaryAnalysis | None
    """None: it had no traffic yet, and is ready for some."""
    verdict: Verdict
    decision: Decision


def advance(context: Context, progress: Progress, only: tuple[str, str] | None = None) -> CanaryPass:
    """Analyse each canary; pass → the next step's pull request, merged unless a person must say yes; fail → revert.

    A revert waits for no other canary's next step, and a failure of one canary keeps no other from its own.

    Args:
        context: What to work with.
        progress: Gets a line for each canary.
        only: The one (environment, model) to look at; default: all.
    """
    main = context.main()
    failures = Failures()
    steps: list[Step] = []
    passing: list[_Judged] = []
    for (environment, model), placed in sorted(main.desired.releases.items()):
        if len(placed.release.variants) > 1 and only in {None, (environment, model)}:
            with failures.contain(f"{environment}/{model}"):
                found = _judge(_Canary(context, main, environment, model, placed.release))
                if isinstance(found, Step):
                    steps.append(found)
                elif found.decision == "revert":
                    steps.append(_revert(found))
                else:
                    passing.append(found)
    for judged in passing:
        with failures.contain(f"{judged.canary.environment}/{judged.canary.model}"):
            steps.append(_go_on(judged))
    for step in steps:
        progress(f"{step.environment}/{step.model}: {step.action}: {step.detail}")
    return CanaryPass(steps=steps, failures=failures.found)


def _judge(canary: _Canary) -> Step | _Judged:
    """The verdict on a canary, or a step that says what is waited for."""
    if waiting := _not_in_force(canary):
        return canary.step("waits", waiting)
    release = canary.release
    if release.newest.weight == 0:
        return _Judged(canary, None, Verdict(occasion="canary", gates=[]), "advance")
    analysis = analyse_canary(canary.context, canary.main.desired, canary.environment, canary.model, release)
    verdict = judge_canary(canary.main.gates, analysis, release.canary)
    keep_warm = canary.main.desired.environment(canary.environment).keep_warm
    decision = decide(release, keep_warm, analysis, verdict)
    if decision == "wait":
        return canary.step("waits", describe(release, keep_warm, analysis))
    return _Judged(canary, analysis, verdict, decision)


def _not_in_force(canary: _Canary) -> str:
    """Why the canary cannot be judged yet, if so: the router does not yet do what main says."""
    definition = canary.main.desired.environment(canary.environment)
    models = canary.context.platform(canary.environment, definition).observe()
    live = {v.name: v for m in models if m.model == canary.model for v in m.variants}
    for variant in canary.release.variants:
        found = live.get(process_name(canary.model, variant))
        if found is None or found.weight != variant.weight:
            return f"{variant.version} is not yet at {variant.weight} %"
        if canary.release.newest.weight == 0 and found.state != "ready":
            return f"{variant.version} is not ready: {found.reason or found.state}"
    return ""


def _go_on(judged: _Judged) -> Step:
    """Open the next step, or find it open; merge it unless a person has yet to say yes."""
    canary = judged.canary
    context, main, release = canary.context, canary.main, canary.release
    present = open_release(context, canary.environment, canary.model)
    if present is not None and goes_back(present):
        return canary.step("waits", f"pull request #{present.number}, which takes it back, is open", present.number)
    new = advanced(release) if release.candidate is not None else retired(release)
    change = canary.change(new, [])
    needed, because = approvals_needed(main.desired, change)
    pull = present if present is not None and _proposes(canary, present, new) else None
    if pull is not None and needed > len(approvers(context.forge, context.forge.get(pull.number))):
        return canary.step("needs approval", because, pull.number)
    report = review_release(context, main, change, new, judged.analysis)
    if pull is None:
        said = "Canary analysis passed." if judged.analysis else f"{release.newest.version} is ready."
        pull = open_release_pr(context, main, change, new, report, said)
        if needed:
            return canary.step("needs approval", because, pull.number)
    else:
        context.forge.update(pull.number, body=context.renderer.promotion_markdown(report))
        keep_promotion(context, pull, report)
    merge_judged(context, pull, main)
    return canary.step("retired" if change.move == "retire" else "advanced", change.description, pull.number)


def _proposes(canary: _Canary, pull: PullRequestSummary, new: Release) -> bool:
    """Whether merging a pull request would do this very step and nothing else: it then keeps its approvals."""
    context, main, key = canary.context, canary.main, (canary.environment, canary.model)
    proposal = Proposal(context, pull, main)
    files = release_files(context, main.desired, main.tree, key, new)
    own = {*files, *files_in(main.tree, key)}
    try:
        brought = proposal.paths
    except InputError:
        return False  # it conflicts with main
    return own.issuperset(brought) and not proposal.special and not changes_to(proposal.tree, key, files)


def _revert(judged: _Judged) -> Step:
    """Open and merge the way back, with the evidence in it."""
    canary, verdict = judged.canary, judged.verdict
    context, main = canary.context, canary.main
    new = aborted(canary.release)
    change = canary.change(new, [new])
    report = review_release(context, main, change, new, judged.analysis).model_copy(update={"verdict": verdict})
    reasons = "\n".join(f"- {gate}: {rule.message} ({rule.reason})" for gate, rule in verdict.failures)
    pull = open_release_pr(context, main, change, new, report, f"Canary analysis failed:\n{reasons}")
    merge_judged(context, pull, main)
    gate, rule = verdict.failures[0]
    return canary.step("reverted", f"{gate}: {rule.message}", pull.number)
