"""Verbs that move a model: ci, deliver, promote, advance, rollback, reconcile."""

from __future__ import annotations

import sys

import click

from bighead_ci import wiring
from bighead_ci.cli.output import EXIT_REFUSED, answer, end_with, json_option, reports_errors, say
from bighead_ci.delivery.advance import advance
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.deliver import deliver
from bighead_ci.delivery.promote import promote
from bighead_ci.delivery.reconcile import project_aliases, settle
from bighead_ci.delivery.report_files import REPORT_FILE, page_of
from bighead_ci.delivery.rollback import check_rollback, rollback
from bighead_ci.delivery.status import model_statuses
from bighead_ci.workspaces import finding


@click.command("ci")
@click.argument("number", type=int)
@json_option
@reports_errors
def ci_command(number: int, as_json: bool) -> None:
    """Run the checks of pull request NUMBER and post its report.

    Exit code 0: passed. 1: a gate failed. 2: something authored is wrong. 75: try again later.
    """
    context = wiring.context()
    report = check_pull_request(context, number, say)
    page = page_of(context, report.number, report.commit)
    answer(
        report.model_dump(mode="json") | {"page": str(page), "document": str(page.with_name(REPORT_FILE))},
        "\n".join([f"#{number}: {report.state} in {report.seconds:.1f} s", *report.problems, f"report: {page}"]),
        as_json,
    )
    sys.exit({"passed": 0, "failed": EXIT_REFUSED}.get(report.state, 2))


@click.command("deliver")
@click.option("--since", required=True, help="The commit of main that was delivered last.")
@json_option
@reports_errors
def deliver_command(since: str, as_json: bool) -> None:
    """After a merge: make sure main's models have records, open their first promotion PRs, project registry aliases.

    Checks of open pull requests that main outdated are asked for again.

    Exit code 75: running it again may do more. 2: something must be mended first. `failures` says what, by model.
    """
    context = wiring.context()
    delivery = deliver(context, context.repository.resolve(since), say)
    project_aliases(context)
    numbers = [promotion.pull_request.number for promotion in delivery.promotions]
    failures = [failure.model_dump() for failure in delivery.failures]
    data = {"commit": delivery.commit, "pull_requests": numbers, "failures": failures}
    answer(data, f"opened {len(numbers)} promotion(s)", as_json)
    end_with(delivery.failures, as_json)


@click.command("promote")
@click.argument("model")
@click.option("--to", "environment", required=True, help="Environment to bring it into.")
@click.option("--version", default=None, help="Version; default: what serves in the environment before.")
@json_option
@reports_errors
def promote_command(model: str, environment: str, version: str | None, as_json: bool) -> None:
    """Open the pull request that brings MODEL into an environment (or update the one that is open)."""
    context = wiring.context(finding.identity())
    promotion = promote(context, model, environment, version, say)
    if promotion is None:
        answer({"pull_request": None}, f"{model} already serves that version in {environment}", as_json)
        return
    pull, report = promotion.pull_request, promotion.report
    failed = ", ".join(dict.fromkeys(gate for gate, _ in report.verdict.failures))
    verdict = "gates pass" if report.verdict.passed else f"gates FAIL: {failed}"
    answer(
        {"pull_request": pull.number, "title": pull.title, "report": report.model_dump(mode="json")},
        f"#{pull.number} {pull.title} ({verdict})\nread: bighead pr show {pull.number}",
        as_json,
    )
    if not report.verdict.passed:
        sys.exit(EXIT_REFUSED)


@click.command("advance")
@json_option
@reports_errors
def advance_command(as_json: bool) -> None:
    """Analyse every canary once: open and merge the next step, or the revert.

    An old variant that stood by for `keep_warm` after all the traffic had moved is retired.

    Exit code 75: running it again may do more. 2: something must be mended first. `failures` says what, by canary.
    """
    done = advance(wiring.context(), (lambda _: None) if as_json else say)
    answer(done.model_dump(mode="json"), f"{len(done.steps) + len(done.failures)} canaries", as_json)
    end_with(done.failures, as_json)


@click.command("rollback")
@click.argument("model")
@click.option("--env", "environment", required=True, help="Environment.")
@click.option(
    "--to",
    default=None,
    help="Commit whose release to restore; default: the latest where another version or artifact served alone and "
    "was not taken back.",
)
@click.option("--check", "only_check", is_flag=True, help="Only say whether it would work; change nothing.")
@json_option
@reports_errors
def rollback_command(model: str, environment: str, to: str | None, only_check: bool, as_json: bool) -> None:
    """Open the pull request that takes MODEL back, or say beforehand whether that is possible (`--check`)."""
    context = wiring.context(finding.identity())
    if not only_check:
        pull = rollback(context, model, environment, to, say)
        text = f"#{pull.number} {pull.title}\nonce its checks ran: bighead pr merge {pull.number}"
        answer({"pull_request": pull.number, "title": pull.title}, text, as_json)
        return
    check = check_rollback(context, model, environment, to)
    split = check.release.split
    lines = [
        f"{model} in {environment} can go back to {split} ({check.target[:10]}):"
        if check.possible
        else f"{model} in {environment} can NOT go back to {split} ({check.target[:10]}):"
    ]
    lines += [f"  skipped: {one}" for one in check.skipped]
    lines += [f"  {'ok ' if p.holds else 'NO '} {p.what}: {p.detail}" for p in check.preconditions]
    lines += [f"by command:  bighead rollback {model} --env {environment}", f"by hand:     {check.git}"]
    answer(check.model_dump(mode="json") | {"possible": check.possible}, "\n".join(lines), as_json)
    sys.exit(0 if check.possible else EXIT_REFUSED)


def _show_diff(context: wiring.LocalContext, as_json: bool) -> None:
    """What is other than main says: variants, weights, and every field of what is rendered."""
    main = context.main()
    differing = [model for model in model_statuses(context, main) if model.differences]
    lines = [f"{one.environment}/{one.model}: {words}" for one in differing for words in one.differences]
    text = "\n".join(lines) or f"{main.commit[:10]}: nothing would change"
    answer({"commit": main.commit, "models": [one.model_dump(mode="json") for one in differing]}, text, as_json)
    if differing:
        sys.exit(EXIT_REFUSED)


@click.command("reconcile")
@click.option("--diff", is_flag=True, help="Only show what would change; exit 1 if anything would.")
@json_option
@reports_errors
def reconcile_command(diff: bool, as_json: bool) -> None:
    """Bring every environment to what main says."""
    context = wiring.context()
    if diff:
        _show_diff(context, as_json)
        return
    result = settle(context, (lambda _: None) if as_json else say)
    changed = sum(outcome.state == "changed" for outcome in result.outcomes)
    lines = [f"{result.commit[:10]}: {changed} changed"]
    lines += [f"{o.where} stays as it was: {o.detail}" for o in result.outcomes if o.state == "failed"]
    answer(result.model_dump(mode="json"), "\n".join(lines), as_json)
    if result.failed:
        sys.exit(EXIT_REFUSED)
