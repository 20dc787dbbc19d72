"""Posts what the checks of a pull request found: page, documents, one comment, a check a gate, and the verdict."""

from __future__ import annotations

from bighead_ci.delivery.approvals import set_approvals
from bighead_ci.delivery.checks import CI, gate_check
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.outdated import WORDS, outdated_by
from bighead_ci.delivery.proposal import Proposal
from bighead_ci.delivery.release_pr import LABEL
from bighead_ci.delivery.report_files import keep_report, page_of
from bighead_ci.delivery.report_index import add_to_index
from bighead_ci.documents.forge import CheckState, PullRequestSummary
from bighead_ci.documents.report import PullRequestReport, ReportState
from bighead_ci.ports.progress import Progress

REPORT = "report"
"""Marker of the one comment."""
STATES: dict[ReportState, CheckState] = {
    "passed": "success",
    "failed": "failure",
    "invalid": "failure",
    "error": "error",
}


def post_report(
    context: Context, pull: PullRequestSummary, judged_on: Main, report: PullRequestReport, progress: Progress
) -> None:
    """The page, the one comment, a check for each gate, and last the check that allows a merge.

    Text belongs to a pull request, not to a commit: of a head that was left meanwhile only the checks are posted.
    """
    page = page_of(context, pull.number, pull.head)
    page.parent.mkdir(parents=True, exist_ok=True)
    context.renderer.html(report, page)
    keep_report(context, report)
    add_to_index(context, report)
    for model in report.models:
        context.records.attach(model.record.run_id, {f"report/pr-{pull.number}.html": page})
    if context.forge.get(pull.number).head == pull.head:
        _post_text(context, pull, report)
        set_approvals(context, pull, context.main(pull.target))
    else:
        progress(f"#{pull.number}: {pull.head[:10]} is no longer its head, so its report is not posted")
    _set_gate_checks(context, report)
    _set_verdict(context, pull, judged_on, report, progress)


def _post_text(context: Context, pull: PullRequestSummary, report: PullRequestReport) -> None:
    """The comment; and what the moves mean: the body of a release's own pull request, else beneath the report."""
    text = context.renderer.markdown(report)
    moves = "\n\n".join(context.renderer.promotion_markdown(move) for move in report.moves)
    if moves and LABEL in pull.labels:
        context.forge.update(pull.number, body=moves)
    elif moves:
        text = f"{text}\n\n{moves}"
    context.forge.comment(pull.number, REPORT, text)


def _set_gate_checks(context: Context, report: PullRequestReport) -> None:
    for model in report.models:
        for gate in model.verdict.gates:
            if gate.applied:
                name = gate_check(model.record.model, model.record.version, gate.gate)
                context.forge.set_check(report.commit, name, "success" if gate.passed else "failure", gate.description)


def _set_verdict(
    context: Context, pull: PullRequestSummary, judged_on: Main, report: PullRequestReport, progress: Progress
) -> None:
    """What allows a merge, or asks for another look because main went on meanwhile."""
    state, words = STATES.get(report.state, "error"), f"{report.state} in {report.seconds:.0f} s"
    now = context.main(pull.target)
    if report.state != "error" and outdated_by(Proposal(context, pull, now), judged_on.commit):
        progress(f"#{pull.number}: {WORDS}")
        state, words = "pending", WORDS
    context.forge.set_check(pull.head, CI, state, words, external_id=judged_on.commit)
