"""The checks of a pull request: plan, validate, train or reuse, judge, and post one report."""

from __future__ import annotations

import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from bighead_ci.definitions.check import check_tree
from bighead_ci.definitions.files import Files, place_of
from bighead_ci.definitions.loading import load_gates
from bighead_ci.delivery.approvals import set_approvals
from bighead_ci.delivery.build import Built, ensure_record
from bighead_ci.delivery.canary import analyse_canary
from bighead_ci.delivery.checks import CI, gate_check
from bighead_ci.delivery.comparison import differences, drift, drift_page, package_changes, request_changes
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired
from bighead_ci.delivery.gates import judge_canary, judge_pull_request
from bighead_ci.delivery.outdated import WORDS, outdated_by
from bighead_ci.delivery.proposal import Proposal
from bighead_ci.delivery.release_pr import LABEL, review_release
from bighead_ci.delivery.report_files import directory_of, keep_report
from bighead_ci.delivery.running import running_versions
from bighead_ci.documents.forge import CheckState, PullRequest
from bighead_ci.documents.live import CanaryAnalysis
from bighead_ci.documents.plan import Plan, PlannedModel, ReleaseChange
from bighead_ci.documents.record import RunRecord
from bighead_ci.documents.release import Release, release_path
from bighead_ci.documents.report import Link, ModelReport, PromotionReport, PullRequestReport
from bighead_ci.documents.verdict import GateDefinition
from bighead_ci.errors import BigheadError, InputError, Problem
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.versions import version_problems
from bighead_ci.policy.canary import decide, describe
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.tree import Tree

REPORT = "report"
"""Marker of the one comment."""


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
            run.post(run.unfinished("error", error), time.monotonic() - started)
            raise
        return run.post(report, time.monotonic() - started)
    except Exception as error:
        words = (str(error).strip() or type(error).__name__).splitlines()[0]
        with suppress(BigheadError):
            context.forge.set_check(pull.head, CI, "error", words)
        raise


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

    def report(self) -> PullRequestReport:
        """Plan, validate, build and judge."""
        context, pull = self.context, self.pull
        self.progress(f"#{pull.number}: planning {self.main.commit[:10]} → {pull.head[:10]}")
        proposal = Proposal(context, pull, self.main)
        problems = check_tree(proposal.tree, proposal.paths)
        if problems:
            raise InputError(problems)
        self.plan = proposal.plan
        problems = self._input_problems(self.plan, proposal.tree)
        if problems:
            raise InputError(problems)
        self.main = self.main.replacing((r.environment, r.model) for r in self.plan.releases)
        desired = self.main.desired
        self._judge_releases(self.plan, proposal.desired)
        gates = load_gates(self.main.tree)
        with ThreadPoolExecutor(max_workers=2) as pool:
            models = list(pool.map(lambda m: self._model(m, desired, gates), self.plan.models))
        passed = all(m.verdict.passed for m in models) and all(m.verdict.passed for m in self.moves)
        return self._document("passed" if passed else "failed", models)

    def _input_problems(self, plan: Plan, merged: Tree) -> list[Problem]:
        """What is wrong with what a version's run would read: generated files, and inputs that main changed meanwhile.

        A run is made of the branch's files. Where those are not what the merge would leave, it would be the record of
        something that is never on main.
        """
        inputs = Inputs(Files(merged), self.context.engine)
        found = [p for name, version in _versions_concerned(plan) for p in version_problems(inputs, name, version)]
        on_branch = Inputs(Files(self.context.repository.tree(self.pull.head)), self.context.engine)
        message = "main changed what this version is made of since the branch began: git merge origin/main, and push"
        for model in plan.models:
            try:
                version = on_branch.definitions.model(model.model, model.version)
                same = on_branch.of(version).content_key == model.content_key
            except InputError:
                same = False
            if not same:
                found.append(Problem(file=f"models/{model.id}/model.yaml", message=message))
        return found

    def _model(self, planned: PlannedModel, desired: Desired, gates: list[GateDefinition]) -> ModelReport:
        built = ensure_record(self.context, planned.model, planned.version, self.pull.head, self.progress)
        return model_report(self.context, built, desired, gates)

    def _judge_releases(self, plan: Plan, proposed: Desired) -> None:
        """Re-evaluate the gates of each release that this pull request edits."""
        context = self.context
        problems: list[Problem] = []
        for change in plan.releases:
            new = proposed.release(change.environment, change.model)
            problems += _unknown_digests(context, change.environment, change.model, new)
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
        verdict = judge_canary(load_gates(self.main.tree), analysis, release.canary)
        keep_warm = desired.environment(change.environment).keep_warm
        if decide(release, keep_warm, analysis, verdict) != "wait":
            return analysis, []
        file = release_path(change.environment, change.model)
        message = "the canary's present step is not over; `bighead advance` makes the next one when it is"
        return analysis, [
            Problem(file=file, subject="variants", message=message, value=describe(release, keep_warm, analysis))
        ]

    def _document(self, state: str, models: list[ModelReport], problems: list[str] | None = None) -> PullRequestReport:
        page = page_of(self.context, self.pull)
        return PullRequestReport.model_validate(
            {
                "number": self.pull.number,
                "title": self.pull.title,
                "commit": self.pull.head,
                "base": self.main.commit,
                "at": self.context.clock.now(),
                "state": state,
                "plan": self.plan,
                "problems": problems or [],
                "models": models,
                "moves": self.moves,
                "seconds": 0.0,
                "reproduce": [
                    f"git fetch origin {shlex.quote(self.pull.source)} && git checkout {self.pull.head[:10]}",
                    *[f"bighead train models/{m.record.id}" for m in models],
                    *[self._run_command(m.record) for m in models if not self.context.records.run_url(m.record.run_id)],
                ],
                "links": [Link(title="full report with plots", url=page.as_uri())],
            }
        )

    def _run_command(self, record: RunRecord) -> str:
        """What shows a record's run, as it can be typed in any clone: without this machine's paths."""
        command = self.context.records.run_command(record.run_id)
        return command.replace(str(self.context.state.resolve()), "$(git config bighead.state)")

    def unfinished(self, state: str, error: BigheadError) -> PullRequestReport:
        """A report that says why there is no verdict."""
        lines = [str(p) for p in error.problems] if isinstance(error, InputError) else []
        return self._document(state, [], lines or str(error).splitlines())

    def post(self, report: PullRequestReport, seconds: float) -> PullRequestReport:
        """The page, the one comment, a status for each gate, and last the status that allows a merge.

        Text belongs to a pull request, not to a commit: of a head that was left meanwhile only the statuses are posted.
        """
        context, pull = self.context, self.pull
        report = report.model_copy(update={"seconds": round(seconds, 1)})
        page = page_of(context, pull)
        page.parent.mkdir(parents=True, exist_ok=True)
        context.renderer.html(report, page)
        keep_report(context, pull, report)
        for model in report.models:
            context.records.attach(model.record.run_id, {f"report/pr-{pull.number}.html": page})
        if context.forge.get(pull.number).head == pull.head:
            self._post_text(report)
            set_approvals(context, pull, context.main(pull.target))
        else:
            self.progress(f"#{pull.number}: {pull.head[:10]} is no longer its head, so its report is not posted")
        for model in report.models:
            for gate in model.verdict.gates:
                if gate.applied:
                    name = gate_check(model.record.model, model.record.version, gate.gate)
                    state: CheckState = "success" if gate.passed else "failure"
                    context.forge.set_check(pull.head, name, state, gate.description)
        state, words = self._outcome(report)
        context.forge.set_check(pull.head, CI, state, words, external_id=self.main.commit)
        return report

    def _post_text(self, report: PullRequestReport) -> None:
        """The comment; and what the moves mean: the body of a release's own pull request, else beneath the report."""
        context, pull = self.context, self.pull
        text = context.renderer.markdown(report)
        moves = "\n\n".join(context.renderer.promotion_markdown(move) for move in report.moves)
        if moves and LABEL in pull.labels:
            context.forge.update(pull.number, body=moves)
        elif moves:
            text = f"{text}\n\n{moves}"
        context.forge.comment(pull.number, REPORT, text)

    def _outcome(self, report: PullRequestReport) -> tuple[CheckState, str]:
        states: dict[str, CheckState] = {"passed": "success", "failed": "failure", "invalid": "failure"}
        now = self.context.main(self.pull.target)
        if report.state in states and outdated_by(Proposal(self.context, self.pull, now), self.main.commit):
            self.progress(f"#{self.pull.number}: {WORDS}")
            return "pending", WORDS
        return states.get(report.state, "error"), f"{report.state} in {report.seconds:.0f} s"


def model_report(context: Context, built: Built, desired: Desired, gates: list[GateDefinition]) -> ModelReport:
    """One model version's record against what each environment runs now, and the gates' verdict on it."""
    record = built.record
    running = running_versions(context, desired, record.model)
    found = differences(context, record, running)
    page = context.records.run_url(record.run_id)
    links = [Link(title="MLflow run", url=page)] if page else []
    moved = drift(context, record, running)
    evidently = drift_page(context, record, running)
    if evidently is not None:
        links.append(Link(title="drift of every column (Evidently)", url=evidently.as_uri()))
    return ModelReport(
        record=record,
        running=running,
        differences=found,
        drift=moved,
        verdict=judge_pull_request(gates, desired, record, found, running, moved),
        reused=built.reused,
        seconds=round(built.seconds, 1),
        request_changes=request_changes(record, running),
        package_changes=package_changes(record, running),
        links=links,
    )


def _versions_concerned(plan: Plan) -> list[tuple[str, str]]:
    """Model versions with a new key or a changed file: only these can have come to differ from their `dvc.yaml`."""
    touched = {place for file in plan.files if (place := place_of(file.path)) and place.kind == "model"}
    return sorted({(m.model, m.version) for m in plan.models} | {(place.name, place.of) for place in touched})


def _unknown_digests(context: Context, environment: str, model: str, release: Release | None) -> list[Problem]:
    """A release may name only what a record says exists."""
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
            ("image", variant.image, record.image),
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
    return problems


def page_of(context: Context, pull: PullRequest) -> Path:
    """Where the HTML page of a pull request's head lies."""
    return directory_of(context, pull) / "index.html"
