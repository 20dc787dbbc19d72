"""The checks of a pull request: plan, validate, train or reuse, judge, and post one report."""

from __future__ import annotations

import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from bighead_ci.delivery.admission import file_problems, run_problems
from bighead_ci.delivery.approvals import approval_rules
from bighead_ci.delivery.build import Built, ensure_record
from bighead_ci.delivery.canary import analyse_canary
from bighead_ci.delivery.checks import CI
from bighead_ci.delivery.comparison import compare, drift, drift_page, package_changes, request_changes
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired
from bighead_ci.delivery.gates import judge_canary, judge_pull_request
from bighead_ci.delivery.post import post_report
from bighead_ci.delivery.proposal import Proposal
from bighead_ci.delivery.release_pr import review_release
from bighead_ci.delivery.report_files import page_of
from bighead_ci.delivery.report_index import index_page
from bighead_ci.delivery.running import running_versions
from bighead_ci.delivery.served_images import is_image_of
from bighead_ci.documents.forge import PullRequest
from bighead_ci.documents.live import CanaryAnalysis
from bighead_ci.documents.plan import Plan, PlannedModel, ReleaseChange
from bighead_ci.documents.release import Release, release_path
from bighead_ci.documents.report import ApprovalRule, Link, ModelReport, PromotionReport, PullRequestReport, ReportState
from bighead_ci.documents.verdict import GateDefinition
from bighead_ci.errors import BigheadError, InputError, Problem
from bighead_ci.policy.canary import decide, describe
from bighead_ci.ports.progress import Progress


def check_pull_request(context: Context, number: int, progress: Progress) -> PullRequestReport:
    """Run all checks on the present head and post report and statuses; safe to repeat and to be killed in.

    Input errors end in a posted report of state `invalid`; other errors are posted as `error` and raised.

    Raises:
        InputError: the pull request is no longer open; what was reported on it stays.
    """
    pull = context.forge.get(number)
    if pull.state != "open":
        raise InputError(f"#{number} is {pull.state}: its report stays as it is")
    started = time.monotonic()
    run = _Run(context, pull, progress)
    context.forge.set_check(pull.head, CI, "pending", "checks are running")
    try:
        try:
            report = run.report()
        except InputError as error:
            report = run.unfinished("invalid", error)
        except BigheadError as error:
            _post(run, run.unfinished("error", error), started)
            raise
        return _post(run, report, started)
    except Exception as error:
        words = (str(error).strip() or type(error).__name__).splitlines()[0]
        with suppress(BigheadError):
            context.forge.set_check(pull.head, CI, "error", words)
        raise


def _post(run: _Run, report: PullRequestReport, started: float) -> PullRequestReport:
    report = report.model_copy(update={"seconds": round(time.monotonic() - started, 1)})
    post_report(run.context, run.pull, run.main, report, run.progress)
    return report


class _Run:
    """One run of the checks on one head commit."""

    def __init__(self, context: Context, pull: PullRequest, progress: Progress) -> None:
        self.context = context
        self.pull = pull
        self.progress = progress
        self.main = context.main(pull.target)
        self.plan: Plan | None = None
        self.moves: list[PromotionReport] = []
        """What each release that is edited would mean."""
        self.approvals: list[ApprovalRule] = []

    def report(self) -> PullRequestReport:
        """Plan, validate, build and judge."""
        context, pull = self.context, self.pull
        self.progress(f"#{pull.number}: planning {self.main.commit[:10]} → {pull.head[:10]}")
        proposal = Proposal(context, pull, self.main)
        if problems := file_problems(proposal):
            raise InputError(problems)
        self.plan = proposal.plan
        if problems := run_problems(context, proposal):
            raise InputError(problems)
        self.main = proposal.judge
        desired = self.main.desired
        self.approvals = approval_rules(self.main, self.plan)
        self._judge_releases(self.plan, proposal.desired)
        # What no gate judges, as the way back, waits for none to be readable.
        gates = self.main.gates if self.plan.models else []
        with ThreadPoolExecutor(max_workers=2) as pool:
            models = list(pool.map(lambda m: self._model(m, desired, gates), self.plan.models))
        passed = all(m.verdict.passed for m in models) and all(m.verdict.passed for m in self.moves)
        return self._document("passed" if passed else "failed", models)

    def _model(self, planned: PlannedModel, desired: Desired, gates: list[GateDefinition]) -> ModelReport:
        built = ensure_record(self.context, planned.model, planned.version, self.pull.head, self.progress)
        return model_report(self.context, built, desired, gates)

    def _judge_releases(self, plan: Plan, proposed: Desired) -> None:
        """Re-evaluate the gates of each release that this pull request edits."""
        context = self.context
        problems: list[Problem] = []
        for change in plan.releases:
            new = proposed.release(change.environment, change.model)
            problems += _unknown_digests(context, self.main.desired, change.environment, change.model, new)
            analysis, early = self._analysis(change)
            problems += early
            self.moves.append(review_release(context, self.main, change, new, analysis))
        if problems:
            raise InputError(problems)

    def _analysis(self, change: ReleaseChange) -> tuple[CanaryAnalysis | None, list[Problem]]:
        """The evidence on the step that a canary would leave, and what is wrong if that step is not over."""
        desired = self.main.desired
        release = desired.release(change.environment, change.model)
        if release is None or change.move not in {"advance", "retire"}:
            return None, []
        analysis = analyse_canary(self.context, desired, change.environment, change.model, release)
        verdict = judge_canary(self.main.gates, analysis, release.canary)
        keep_warm = desired.environment(change.environment).keep_warm
        if decide(release, keep_warm, analysis, verdict) != "wait":
            return analysis, []
        file = release_path(change.environment, change.model)
        message = "the canary's present step is not over; `bighead advance` makes the next one when it is"
        return analysis, [
            Problem(file=file, subject="variants", message=message, value=describe(release, keep_warm, analysis))
        ]

    def _document(
        self, state: ReportState, models: list[ModelReport], problems: list[str] | None = None
    ) -> PullRequestReport:
        context, pull = self.context, self.pull
        trained = [f"bighead train models/{model.record.id}" for model in models]
        runs = [model.record.run_id for model in models if not context.records.run_url(model.record.run_id)]
        return PullRequestReport(
            number=pull.number,
            title=pull.title,
            commit=pull.head,
            base=self.main.commit,
            at=context.clock.now(),
            state=state,
            plan=self.plan,
            problems=problems or [],
            models=models,
            moves=self.moves,
            approvals=self.approvals,
            mends=sorted(self.main.mended),
            seconds=0.0,
            reproduce=[
                f"git fetch origin {shlex.quote(pull.source)} && git checkout {pull.head[:10]}",
                *trained,
                *[context.records.run_command(run, context.records_in_a_clone) for run in runs],
            ],
            links=[
                Link(title="full report with plots", url=page_of(context, pull.number, pull.head).as_uri()),
                Link(title="all reports", url=index_page(context).as_uri()),
            ],
        )

    def unfinished(self, state: ReportState, error: BigheadError) -> PullRequestReport:
        """A report that says why there is no verdict."""
        lines = [str(p) for p in error.problems] if isinstance(error, InputError) else []
        return self._document(state, [], lines or str(error).splitlines())


def model_report(context: Context, built: Built, desired: Desired, gates: list[GateDefinition]) -> ModelReport:
    """One model version's record against what each environment runs now, and the gates' verdict on it."""
    record = built.record
    running = running_versions(context, desired, record.model)
    found = compare(context, record, running)
    page = context.records.run_url(record.run_id)
    links = [Link(title="MLflow run", url=page)] if page else []
    moved = drift(context, record, running)
    evidently = drift_page(context, record, running)
    if evidently is not None:
        links.append(Link(title="drift of every column (Evidently)", url=evidently.as_uri()))
    return ModelReport(
        record=record,
        running=running,
        differences=found.differences,
        uncompared=found.uncompared,
        drift=moved,
        verdict=judge_pull_request(gates, desired, record, found.differences, running, moved),
        reused=built.reused,
        seconds=round(built.seconds, 1),
        request_changes=request_changes(record, running),
        package_changes=package_changes(record, running),
        links=links,
    )


def _unknown_digests(
    context: Context, desired: Desired, environment: str, model: str, release: Release | None
) -> list[Problem]:
    """A release may name only what a record says exists, in the images of its environment's builder."""
    problems = []
    for index, variant in enumerate(release.variants if release else []):
        record = context.records.by_run(variant.run)
        file = release_path(environment, model)
        place = f"variants.{index}"
        if record is None:
            problems.append(
                Problem(file=file, subject=f"{place}.run", message="no record has this run id", value=variant.run)
            )
            continue
        facts = [
            ("artifact", variant.artifact, record.artifact),
            ("version", f"{model}/{variant.version}", record.id),
        ]
        problems += [
            Problem(
                file=file,
                subject=f"{place}.{field}",
                message=f"is not what record {variant.run} holds",
                value=says,
                allowed=holds,
            )
            for field, says, holds in facts
            if says != holds
        ]
        if not is_image_of(context, environment, desired.environment(environment), variant.image, record):
            message = f"is no image of record {variant.run} that {environment} has"
            problems.append(Problem(file=file, subject=f"{place}.image", message=message, value=variant.image))
    return problems
