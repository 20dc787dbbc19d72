"""What every pull request that edits a release file shares: its branch, its review of the move, its body."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from bighead_ci.delivery.approvals import approvals_needed
from bighead_ci.delivery.changelog import commits_between
from bighead_ci.delivery.comparison import compare, drift
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.gates import judge_canary, judge_promotion
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.reach import feature_reaches
from bighead_ci.delivery.release_files import changes_to, release_files
from bighead_ci.delivery.report_files import keep_promotion
from bighead_ci.delivery.running import running_versions
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.documents.live import CanaryAnalysis
from bighead_ci.documents.plan import ReleaseChange
from bighead_ci.documents.record import Comparison, RunRecord
from bighead_ci.documents.release import Release
from bighead_ci.documents.report import FeatureReach, PromotionReport
from bighead_ci.documents.verdict import Verdict
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent

LABEL = "bighead/release"
"""On every pull request that edits a release."""


def release_branch(environment: str, model: str) -> str:
    """One branch, so at most one open pull request, a model and environment: a newer one supersedes an older."""
    return f"release/{environment}/{model}"


def open_release_pr(
    context: Context,
    main: Main,
    change: ReleaseChange,
    release: Release,
    report: PromotionReport,
    message: str,
) -> PullRequestSummary:
    """Commit a release's files on top of main and open (or supersede) its pull request, with its report as the body.

    Raises:
        InputError: it would take the place of a pull request that goes back, and does not go back itself.
        RetryError: somebody else moved the branch at the same time; the pull request then has their text.
    """
    present = open_release(context, change.environment, change.model)
    if change.move != "rollback" and present is not None and goes_back(present):
        raise InputError(
            f"#{present.number} is open and takes {change.model} in {change.environment} back: merge it, or close it "
            f"with `bighead pr close {present.number}`, before anything else moves there"
        )
    branch = release_branch(change.environment, change.model)
    files = release_files(context, main.desired, main.tree, (change.environment, change.model), release)
    title = title_of(change)
    labels = (LABEL, f"{LABEL}/{change.move}")
    head = context.repository.commit(
        branch,
        main.commit,
        changes_to(main.tree, (change.environment, change.model), files),
        f"{title}\n\n{message}".strip() + "\n",
        context.identity,
    )
    body = context.renderer.promotion_markdown(report)
    pull = context.forge.open(branch, main.branch, title, body, labels, head)
    keep_promotion(context, pull, report)
    return pull


def open_release(context: Context, environment: str, model: str) -> PullRequestSummary | None:
    """The open pull request on the branch of a release."""
    return next(iter(context.forge.find("open", LABEL, release_branch(environment, model), limit=1)), None)


def goes_back(pull: PullRequestSummary) -> bool:
    """Whether a release's pull request takes traffic back."""
    return f"{LABEL}/rollback" in pull.labels


def title_of(change: ReleaseChange) -> str:
    """A title that says it all: `promote flight_delay in prod: v1 → v2 (canary 10 %)`."""
    return f"{change.move} {change.model} in {change.environment}: {change.description}"


def review_release(
    context: Context,
    main: Main,
    change: ReleaseChange,
    new: Release | None,
    analysis: CanaryAnalysis | None = None,
) -> PromotionReport:
    """Re-evaluate, at this moment and with main's policies, the gates that the move needs."""
    desired = main.desired
    old = desired.release(change.environment, change.model)
    environment = desired.environment(change.environment)
    incoming = new.newest if new else None
    record = context.records.by_run(incoming.run) if incoming else None
    running = running_versions(context, desired, change.model)
    verdict = Verdict(occasion="promotion", gates=[])
    found = Comparison()
    if record and change.move in {"promote", "advance"}:
        found = compare(context, record, running)
    if change.move == "promote":
        weight = incoming.weight if incoming else 0
        moved = drift(context, record, running) if record else None
        gates = main.gates
        verdict = judge_promotion(context, gates, main, change, record, weight, running, found.differences, moved)
    elif change.move in {"advance", "retire"}:
        verdict = judge_canary(main.gates, analysis, old.canary if old else environment.canary)
    needed, because = approvals_needed(desired, change)
    return PromotionReport(
        environment=change.environment,
        model=change.model,
        move=change.move,
        weight_before=change.weight_before,
        weight_after=change.weight_after,
        summary=change.description,
        at=context.clock.now(),
        verdict=verdict,
        differences=[one for one in found.differences if one.against == change.environment],
        uncompared=[one for one in found.uncompared if one.against == change.environment],
        record=record,
        diff=release_diff(context, main, change, old, new),
        commits=_commits(context, main, change, old, record),
        plan_steps=(new.canary if new else environment.canary).steps,
        soak=(new.canary if new else environment.canary).soak,
        analysis=analysis,
        rollback=f"bighead rollback {change.model} --env {change.environment}",
        approvals_needed=needed,
        approvals_because=because,
        image=incoming.image if incoming else None,
        artifact=incoming.artifact if incoming else None,
        request=record.request if record else {},
        reaches=_reaches(context, main, record) if record and change.move == "promote" else [],
    )


def _reaches(context: Context, main: Main, record: RunRecord) -> list[FeatureReach]:
    try:
        return feature_reaches(context, main, record.features, silent)
    except InputError:  # data or a set that main lacks is said by what needs it; the move does not
        return []


def release_diff(context: Context, main: Main, change: ReleaseChange, old: Release | None, new: Release | None) -> str:
    """Unified diff of the release's files."""
    before, after = (
        release_files(context, main.desired, main.tree, (change.environment, change.model), release)
        for release in (old, new)
    )
    return "".join(
        line
        for path in sorted({*before, *after})
        for line in difflib.unified_diff(_lines(before, path), _lines(after, path), f"a/{path}", f"b/{path}")
    )


def _lines(files: Mapping[str, bytes], path: str) -> list[str]:
    return files.get(path, b"").decode(errors="replace").splitlines(keepends=True)


def _commits(
    context: Context, main: Main, change: ReleaseChange, old: Release | None, record: RunRecord | None
) -> list[str]:
    """What a move that brings something in brings, one line a commit."""
    if old is None or record is None or change.move not in {"promote", "advance", "retire"}:
        return []
    heads = old.stable.commit, record.commit
    found = commits_between(context.repository, context.forge, main, change.model, record.version, *heads)
    return [f"{commit.id[:10]} {commit.subject} ({commit.author})" for commit in found]
