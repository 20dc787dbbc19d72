"""`bighead pr`: what a forge's web page offers, for a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import click

from bighead_ci import wiring
from bighead_ci.cli.output import EXIT_REFUSED, answer, json_option, printable, reports_errors, say
from bighead_ci.cli.pr_page import page_of, pull_request_table
from bighead_ci.delivery.approvals import review
from bighead_ci.delivery.checks import CI, find_check
from bighead_ci.delivery.merge import merge_pull_request
from bighead_ci.delivery.waiting import Patience, merge_when_judged, wait_for_verdict
from bighead_ci.documents.base import short
from bighead_ci.documents.forge import PullRequest, PullRequestState, PullRequestSummary
from bighead_ci.errors import InputError, RetryError
from bighead_ci.ports.forge import Forge
from bighead_ci.workspaces import finding
from bighead_ci.workspaces.runner_process import runner_pid

CLOSED = "closed"
"""Marker of the comment that says why a pull request was closed."""
MOST_COMMITS = 20
"""Commits that a body made from them lists."""
_NAMED = 5
"""Files that a message about many names."""


@click.group("pr")
def pr_command() -> None:
    """Open, read, approve and merge pull requests."""


@pr_command.command("open")
@click.option("--title", default=None, help="One line; default: the commit's, or the branch's name.")
@click.option("--body", default=None, help="Markdown; default: from the commits.")
@click.option("--target", default="main", show_default=True, help="Branch to merge into.")
@click.option(
    "--force", is_flag=True, help="Replace the pushed branch if it was rewritten and nobody else pushed to it."
)
@json_option
@reports_errors
def open_command(title: str | None, body: str | None, target: str, force: bool, as_json: bool) -> None:
    """Push the current branch to origin and open its pull request, or update the one that is open."""
    branch = _current_branch(target)
    if _git("status", "--porcelain").strip():
        say("changes that are not committed stay here")
    _say_what_is_hidden()
    _push(branch, force)
    forge = _forge()
    found = next((p for p in forge.find("open", source=branch) if p.target == target), None)
    present = forge.get(found.number) if found else None
    default_title, default_body = (present.title, present.body) if present else _text_from_commits(branch, target)
    pull = forge.open(
        branch,
        target,
        default_title if title is None else title,
        default_body if body is None else body,
        tuple(present.labels) if present else (),
    )
    verb = "updated" if present else "opened"
    answer(
        _data(forge, forge.get(pull.number)),
        f"{verb} #{pull.number} {printable(pull.title)}\nread: bighead pr show {pull.number}",
        as_json,
    )


@pr_command.command("list")
@click.option("--state", type=click.Choice(["open", "merged", "closed", "all"]), default="open", show_default=True)
@click.option("--label", default=None, help="Only those with this label.")
@click.option("--before", type=int, default=None, help="Only those older than this number: the next page.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many.")
@json_option
@reports_errors
def list_command(
    state: PullRequestState | Literal["all"], label: str | None, before: int | None, limit: int, as_json: bool
) -> None:
    """List pull requests, newest first. One that cannot be read is named and passed over."""
    forge = _forge()
    pulls = forge.find(None if state == "all" else state, label, before=before, limit=limit)
    problems = forge.problems()
    for problem in problems:
        say(f"{printable(problem)}; `bighead pr repair` mends it")
    if pulls or as_json:
        data = [pull.model_dump(mode="json") | {"checks": _check_data(forge, pull)} for pull in pulls]
        answer({"pull_requests": data, "problems": problems}, lambda: pull_request_table(pulls, forge.checks), as_json)
    else:
        answer({}, f"no {'' if state == 'all' else state + ' '}pull requests", as_json)


@pr_command.command("show")
@click.argument("number", type=int)
@json_option
@reports_errors
def show_command(number: int, as_json: bool) -> None:
    """Show pull request NUMBER: state, checks, reviews, text and comments."""
    forge = _forge()
    pull = forge.get(number)
    answer(_data(forge, pull), lambda: page_of(pull, forge.checks(pull.head)), as_json)


@pr_command.command("approve")
@click.argument("number", type=int)
@click.option("--refuse", is_flag=True, help="Say no; also takes an approval back.")
@json_option
@reports_errors
def approve_command(number: int, refuse: bool, as_json: bool) -> None:
    """Approve pull request NUMBER as it is now; a later push needs a new approval."""
    context = wiring.context(finding.identity())
    forge = context.forge
    pull = review(context, number, approved=not refuse)
    word = "refused" if refuse else "approved"
    answer(_data(forge, pull), f"{forge.identity} {word} #{number} at {short(pull.head)} ({_approvals(pull)})", as_json)


_timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=None,
    metavar="SECONDS",
    help="Wait no longer; default: no end.",
)


@pr_command.command("wait")
@click.argument("number", type=int)
@_timeout_option
@json_option
@reports_errors
def wait_command(number: int, timeout: float | None, as_json: bool) -> None:
    """Wait until the checks of pull request NUMBER ended; a line on standard error whenever something changes.

    Exit code 0: they passed, or it was merged. 1: a gate failed, something authored is wrong, or it was closed.
    75: the check broke (the runner tries again), or the timeout is over.
    """
    context = wiring.context(finding.identity())
    _say_if_nobody_checks(context)
    pull, state = wait_for_verdict(context, number, Patience.of(context.clock, timeout), say)
    check = find_check(context.forge, pull.head, CI)
    ended = pull.state if pull.state != "open" else f"{state}: {check.description if check else ''}"
    answer(
        _data(context.forge, pull),
        f"#{number} at {short(pull.head)}: {printable(ended)}\nread: bighead pr show {number}",
        as_json,
    )
    refused = pull.state == "closed" or (pull.state == "open" and state == "failure")
    broke = pull.state == "open" and state == "error"
    sys.exit(EXIT_REFUSED if refused else RetryError.exit_code if broke else 0)


@pr_command.command("merge")
@click.argument("number", type=int)
@click.option("--head", default=None, help="Only if the head is this commit; default: the present head.")
@click.option("--wait", is_flag=True, help="Wait for the checks first, also for those that main outdated meanwhile.")
@_timeout_option
@json_option
@reports_errors
def merge_command(number: int, head: str | None, wait: bool, timeout: float | None, as_json: bool) -> None:
    """Merge pull request NUMBER into its target.

    Exit code 2: a required check failed, or an approval is missing. 75: main changed what it was judged by, so its
    checks run again; its head moved; or the timeout is over.
    """
    if timeout is not None and not wait:
        raise InputError("--timeout says how long to --wait: give both, or neither")
    context = wiring.context(finding.identity())
    commit = context.repository.resolve(head) if head else None
    if wait:
        _say_if_nobody_checks(context)
        pull = merge_when_judged(context, number, commit, Patience.of(context.clock, timeout), say)
    else:
        pull = merge_pull_request(context, number, commit)
    answer(
        pull.model_dump(mode="json"),
        f"merged #{number} into {pull.target} as {short(pull.merge_commit or '')}",
        as_json,
    )


@pr_command.command("close")
@click.argument("number", type=int)
@click.option("--reason", default="", help="Why.")
@json_option
@reports_errors
def close_command(number: int, reason: str, as_json: bool) -> None:
    """Close pull request NUMBER without merging it; its branch stays."""
    forge = _forge()
    pull = forge.close(number)
    if reason:
        forge.comment(number, CLOSED, reason)
    answer(pull.model_dump(mode="json"), f"closed #{number}", as_json)


@pr_command.command("repair")
@json_option
@reports_errors
def repair_command(as_json: bool) -> None:
    """Mend pull requests that cannot be read: back to the newest version that can be; what was there is put aside."""
    done = _forge().repair()
    answer({"repaired": done}, "\n".join(map(printable, done)) or "every pull request can be read", as_json)


@pr_command.command("diff")
@click.argument("number", type=int)
@json_option
@reports_errors
def diff_command(number: int, as_json: bool) -> None:
    """Print what pull request NUMBER changes (`git apply` takes it)."""
    context = wiring.context()
    pull, repository = context.forge.get(number), context.repository
    onto = repository.resolve(pull.target)
    if pull.state == "merged" and pull.merge_commit is not None:
        merge = repository.log(pull.merge_commit, limit=1)[0]
        onto = merge.parents[0] if merge.parents else onto
    text = repository.diff(repository.merge_base(onto, pull.head), pull.head)
    if as_json:
        answer({"number": number, "diff": text}, "", as_json)
    else:
        # A terminal must not obey what a file contains; a pipe gets the bytes.
        click.echo(printable(text) if sys.stdout.isatty() else text, nl=False)


def _say_if_nobody_checks(context: wiring.LocalContext) -> None:
    if runner_pid(context.workspace) is None:
        say("no runner watches this workspace: start one with `bighead runner`, or check it with `bighead ci NUMBER`")


def _forge() -> Forge:
    """The workspace's forge, for the person at the keyboard."""
    return wiring.context(finding.identity()).forge


def _data(forge: Forge, pull: PullRequest) -> dict[str, object]:
    return pull.model_dump(mode="json") | {"approvals": pull.approvals(), "checks": _check_data(forge, pull)}


def _check_data(forge: Forge, pull: PullRequestSummary) -> list[dict[str, object]]:
    return [check.model_dump(mode="json") for check in forge.checks(pull.head)]


def _approvals(pull: PullRequest) -> str:
    approvals = pull.approvals()
    return f"approved by {', '.join(approvals)}" if approvals else "no approvals"


def _text_from_commits(branch: str, target: str) -> tuple[str, str]:
    """Title and body of a pull request that was given none: the commit's own words, or a list of the commits."""
    repository = wiring.context().repository
    base = repository.merge_base(target, branch)
    commits = []
    for commit in repository.log(branch, limit=MOST_COMMITS):
        if commit.id == base:
            break
        commits.append(commit)
    if len(commits) == 1:
        return commits[0].subject, _git("log", "-1", "--format=%b").strip()
    return branch.replace("-", " ").replace("_", " "), "\n".join(f"- {commit.subject}" for commit in reversed(commits))


def _current_branch(target: str) -> str:
    # Whole, and cut here: git's short name of a branch is longer where a tag has the same.
    branch = _git("symbolic-ref", "--quiet", "HEAD", failure="").strip().removeprefix("refs/heads/")
    if not branch:
        raise InputError(f"{Path.cwd()} is not on a branch; make one: git switch -c <name>")
    if branch == target:
        raise InputError(f"this is {target} itself; put your commits on a branch: git switch -c <name>")
    return branch


def _say_what_is_hidden() -> None:
    """Files that the person's own patterns keep out of every commit, and the repository's would not."""
    listed = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    hidden = set(_git(*listed).split("\0")) - set(_git("-c", f"core.excludesFile={os.devnull}", *listed).split("\0"))
    if hidden:
        more = len(hidden) - _NAMED
        files = ", ".join(sorted(hidden)[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        say(f"your own git settings ignore {files}: not in the pull request; `git add --force` adds them")


def _push(branch: str, force: bool) -> None:
    lease = ["--force-with-lease"] if force else []
    # The repository that is pushed to writes down who moved a branch: by the name that everything else here knows.
    who = {"GIT_COMMITTER_NAME": finding.identity()}
    done = _run(["push", "--porcelain", *lease, "origin", f"HEAD:refs/heads/{branch}"], **who)
    if done.returncode:
        words = (done.stdout + done.stderr).strip()
        if "non-fast-forward" in words or "fetch first" in words:
            raise InputError(
                f"origin's {branch} has commits that are not here: pull them, or, if you rewrote the branch, "
                "run again with --force"
            )
        if "does not appear to be a git repository" in words or "stale info" in words or "rejected" in words:
            raise InputError(f"git push to origin: {words}")
        raise RetryError(f"git push to origin: {words}")


def _git(*arguments: str, failure: str | None = None) -> str:
    done = _run(list(arguments))
    if done.returncode:
        if failure is not None and "not a git repository" not in done.stderr:
            return failure
        raise InputError(f"git {arguments[0]}: {done.stderr.strip().removeprefix('fatal: ')}")
    return done.stdout


def _run(arguments: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"} | variables
    return subprocess.run(
        ["git", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
