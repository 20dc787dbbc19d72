"""The checks of a pull request: plan, validate, train or reuse, judge, and post one report."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bighead_ci.definitions.check import check_tree
from bighead_ci.definitions.loading import load_gates
from bighead_ci.delivery.advance import decide, describe
from bighead_ci.delivery.analysis import analyse
from bighead_ci.delivery.build import Built, ensure_record
from bighead_ci.delivery.context import BOT, Context, Progress
from bighead_ci.delivery.desired import Desired, read_desired
from bighead_ci.delivery.gates import judge_canary, judge_pull_request
from bighead_ci.delivery.history import past_releases
from bighead_ci.delivery.merging import CHECK, required_approvals
from bighead_ci.delivery.release_pr import approvals_needed, review_release
from bighead_ci.delivery.running import differences, request_changes, running_versions
from bighead_ci.delivery.stages.pipeline import stale_pipeline
from bighead_ci.documents.forge import PullRequest, StatusState
from bighead_ci.documents.live import CanaryAnalysis
from bighead_ci.documents.plan import Plan, PlannedModel, ReleaseChange
from bighead_ci.documents.release import Release
from bighead_ci.documents.report import Link, ModelReport, PromotionReport, PullRequestReport
from bighead_ci.documents.verdict import GateDefinition
from bighead_ci.errors import BigheadError, InputError, Problem
from bighead_ci.planning.change import plan_change
from bighead_ci.ports.tree import Tree

REPORT = "report"
"""Marker of the one comment."""


def check_pull_request(context: Context, number: int, progress: Progress) -> PullRequestReport:
    """Run all checks on the present head and post report and statuses; safe to repeat and to be killed in.

    Input errors end in a posted report of state `invalid`; other errors are posted as `error` and raised.
    """
    pull = context.forge.get(number)
    started = time.monotonic()
    run = _Run(context, pull, progress)
    context.forge.set_status(number, CHECK, "pending", "checks are running", pull.head)
    try:
        report = run.report()
    except InputError as error:
        report = run.unfinished("invalid", error)
    except BigheadError as error:
        _post(context, pull, run.unfinished("error", error).model_copy(update={"seconds": time.monotonic() - started}))
        raise
    report = report.model_copy(update={"seconds": round(time.monotonic() - started, 1)})
    _post(context, pull, report)
    return report


class _Run:
    """One run of the checks on one head commit."""

    def __init__(self, context: Context, pull: PullRequest, progress: Progress) -> None:
        self.context = context
        self.pull = pull
        self.progress = progress
        self.main = context.repository.resolve(pull.target)
        self.base = context.repository.merge_base(self.main, pull.head)
        self.plan: Plan | None = None

    def report(self) -> PullRequestReport:
        """Plan, validate, build and judge."""
        context, pull = self.context, self.pull
        main_tree, head = context.repository.tree(self.main), context.repository.tree(pull.head)
        base = context.repository.tree(self.base)
        self.progress(f"#{pull.number}: planning {self.base[:10]} → {pull.head[:10]}")
        problems = check_tree(head, _changed(base, head))
        if problems:
            raise InputError(problems)
        self.plan = plan_change(
            base,
            head,
            self.base,
            pull.head,
            context.engine,
            history=lambda environment, model: past_releases(context, environment, model, self.main),
        )
        stale = [p for m in self.plan.models for p in stale_pipeline(head, m.model, m.version)]
        if stale:
            raise InputError(stale)
        desired = read_desired(main_tree, self.main).mended((r.environment, r.model) for r in self.plan.releases)
        releases = self._releases(main_tree, desired, head)
        gates = load_gates(main_tree)
        with ThreadPoolExecutor(max_workers=2) as pool:
            models = list(pool.map(lambda m: self._model(m, desired, gates), self.plan.models))
        passed = all(m.verdict.passed for m in models) and all(r.verdict.passed for r in releases)
        return self._document("passed" if passed else "failed", models)

    def _model(self, planned: PlannedModel, desired: Desired, gates: list[GateDefinition]) -> ModelReport:
        built = ensure_record(self.context, planned, self.pull.head, desired, self.progress)
        return model_report(self.context, built, desired, gates)

    def _releases(self, main_tree: Tree, desired: Desired, head: Tree) -> list[PromotionReport]:
        """Re-evaluate the gates of each release that this pull request edits, in its body."""
        if self.plan is None or not self.plan.releases:
            return []
        context = self.context
        proposed = read_desired(head, self.pull.head)
        reviewed = []
        problems: list[Problem] = []
        for change in self.plan.releases:
            new = proposed.release(change.environment, change.model)
            problems += _unknown_digests(context, change.environment, change.model, new)
            problems += _too_few_approvals(self.pull, desired, change, new)
            analysis, early = self._analysis(main_tree, desired, change)
            problems += early
            report = review_release(context, main_tree, desired, change, new, analysis)
            reviewed.append(report)
            context.forge.update(self.pull.number, body=context.renderer.promotion_markdown(report))
        if problems:
            raise InputError(problems)
        return reviewed

    def _analysis(
        self, main_tree: Tree, desired: Desired, change: ReleaseChange
    ) -> tuple[CanaryAnalysis | None, list[Problem]]:
        """The evidence on the step that a canary would leave, and what is wrong if that step is not over."""
        release = desired.release(change.environment, change.model)
        if release is None or change.move not in {"advance", "retire"}:
            return None, []
        analysis = analyse(self.context, desired, change.environment, change.model, release)
        verdict = judge_canary(load_gates(main_tree), analysis, release.canary)
        if decide(release, analysis, verdict) != "wait":
            return analysis, []
        file = f"environments/{change.environment}/{change.model}.yaml"
        message = "the canary's present step is not over; `bighead advance` makes the next one when it is"
        return analysis, [Problem(file, None, "variants", message, describe(release, analysis))]

    def _document(self, state: str, models: list[ModelReport], problems: list[str] | None = None) -> PullRequestReport:
        page = page_of(self.context, self.pull)
        return PullRequestReport.model_validate(
            {
                "number": self.pull.number,
                "title": self.pull.title,
                "commit": self.pull.head,
                "base": self.base,
                "at": self.context.clock.now(),
                "state": state,
                "plan": self.plan,
                "problems": problems or [],
                "models": models,
                "seconds": 0.0,
                "reproduce": [
                    f"git fetch origin {self.pull.source} && git checkout {self.pull.head[:10]}",
                    *[f"bighead train models/{m.record.id}" for m in models],
                ],
                "links": [Link(title="full report with plots", url=page.as_uri())],
            }
        )

    def unfinished(self, state: str, error: BigheadError) -> PullRequestReport:
        """A report that says why there is no verdict."""
        lines = [str(p) for p in error.problems] if isinstance(error, InputError) else []
        return self._document(state, [], lines or str(error).splitlines())


def model_report(context: Context, built: Built, desired: Desired, gates: list[GateDefinition]) -> ModelReport:
    """One model version's record against what each environment runs now, and the gates' verdict on it."""
    record = built.record
    running = running_versions(context, desired, record.model)
    found = differences(context, record, running)
    links = [Link(title="MLflow run", url=context.records.run_url(record.run_id))]
    drift = context.records.file(record.run_id, "report/drift.html")
    if drift is not None:
        links.append(Link(title="drift of every column (Evidently)", url=drift.as_uri()))
    return ModelReport(
        record=record,
        running=running,
        differences=found,
        verdict=judge_pull_request(gates, record, found, running),
        reused=built.reused,
        seconds=round(built.seconds, 1),
        request_changes=request_changes(record, running),
        links=links,
    )


def _too_few_approvals(
    pull: PullRequest, desired: Desired, change: ReleaseChange, new: Release | None
) -> list[Problem]:
    """A pull request opened by hand does not carry how many people the environment asks for."""
    needed, because = approvals_needed(desired, change, new)
    if required_approvals(pull) >= needed:
        return []
    file = f"environments/{change.environment}/{change.model}.yaml"
    message = f"{needed} people must approve this ({because}): open it with `bighead {change.move}` instead of by hand"
    return [Problem(file, None, "", message)]


def _changed(base: Tree, head: Tree) -> list[str]:
    before, after = base.files(), head.files()
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def _unknown_digests(context: Context, environment: str, model: str, release: Release | None) -> list[Problem]:
    """A release may name only what a record says exists."""
    problems = []
    for index, variant in enumerate(release.variants if release else []):
        record = context.records.by_run(variant.run)
        file = f"environments/{environment}/{model}.yaml"
        place = f"variants.{index}"
        if record is None:
            problems.append(Problem(file, None, f"{place}.run", "no record has this run id", variant.run))
            continue
        facts = [
            ("artifact", variant.artifact, record.artifact),
            ("image", variant.image, record.image),
            ("version", f"{model}/{variant.version}", record.id),
        ]
        problems += [
            Problem(file, None, f"{place}.{field}", f"is not what record {variant.run} holds", says, holds)
            for field, says, holds in facts
            if says != holds
        ]
    return problems


def page_of(context: Context, pull: PullRequest) -> Path:
    """Where the HTML page of a pull request's head lies."""
    return context.workspace.reports / f"pr-{pull.number}" / pull.head[:12] / "index.html"


def _post(context: Context, pull: PullRequest, report: PullRequestReport) -> None:
    """The page, the one comment, a status for each gate, and last the status that allows a merge."""
    page = page_of(context, pull)
    page.parent.mkdir(parents=True, exist_ok=True)
    context.renderer.html(report, page)
    for model in report.models:
        context.records.attach(model.record.run_id, {f"report/pr-{pull.number}.html": page})
    context.forge.comment(pull.number, REPORT, context.renderer.markdown(report), BOT)
    for model in report.models:
        for gate in model.verdict.gates:
            if gate.applied:
                state: StatusState = "success" if gate.passed else "failure"
                name = f"bighead/gate/{model.record.model}/{gate.gate}"
                context.forge.set_status(pull.number, name, state, gate.description, pull.head)
    outcome: dict[str, StatusState] = {"passed": "success", "failed": "failure", "invalid": "failure"}
    context.forge.set_status(
        pull.number, CHECK, outcome.get(report.state, "error"), f"{report.state} in {report.seconds:.0f} s", pull.head
    )
