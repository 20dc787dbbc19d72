"""What is merged is what was judged, where git's histories cross and where a tree changes without its contents."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bighead_ci import wiring
from bighead_ci.cli.pr import pr_command
from bighead_ci.delivery.advance import advance
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.checks import APPROVALS, find_check
from bighead_ci.delivery.rollback import rollback
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.planning.releases import advanced
from bighead_ci.ports.progress import silent
from bighead_ci.workspaces import finding
from fakes.git_context import GitContext
from fakes.shipping import pass_canary, ship, traffic

PROD = "environments/prod/environment.yaml"
RELEASE = "environments/prod/late.yaml"
GATE = "policies/auc_floor.yaml"
MANY = "approvals: 3\n"


@pytest.fixture
def context(tmp_path: Path) -> GitContext:
    return GitContext(tmp_path)


def cross(context: GitContext) -> None:
    """Main asks for three people and a higher floor, beside a branch of before; each is then merged into the other.

    So the two have two merge bases, and in one of them the rules are the old ones. The clone is on `topic`.
    """
    context.git("fetch", "--quiet", "origin")
    context.git("switch", "--quiet", "-c", "topic", "origin/main")
    context.edit("NOTES.md", "", "notes\n")
    context.git("switch", "--quiet", "-c", "stricter", "origin/main")
    text = (context.clone / PROD).read_text()
    context.edit(PROD, text, f"{text}{MANY}")
    context.edit(GATE, "at_least: 0.6", "at_least: 0.7")
    context.git("switch", "--quiet", "-c", "mine", "topic")
    context.git("merge", "--quiet", "--no-ff", "-m", "main into topic", "stricter")
    context.git("switch", "--quiet", "stricter")
    context.git("merge", "--quiet", "--no-ff", "-m", "topic into main", "topic")
    context.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    context.git("switch", "--quiet", "mine")
    assert len(context.git("merge-base", "--all", "mine", "stricter").split()) == 2


def loosen(context: GitContext) -> None:
    """The lines changed back as they were in the older of the merge bases, and a harmless edit."""
    context.edit(PROD, MANY, "")
    context.edit(GATE, "at_least: 0.7", "at_least: 0.6")
    context.edit("NOTES.md", "notes", "more notes")


def said(context: GitContext, pull: PullRequestSummary) -> str:
    found = find_check(context.forge, context.forge.get(pull.number).head, APPROVALS)
    assert found is not None
    return found.description


def merge_as(context: GitContext, number: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """`bighead pr merge` as grace: exit code and output."""
    monkeypatch.setattr(wiring, "context", context.acting)
    monkeypatch.setattr(finding, "identity", lambda: "grace")
    done = CliRunner().invoke(pr_command, ["merge", str(number)], catch_exceptions=False)
    return done.exit_code, done.output


def test_crossing_histories_hide_nothing_from_the_plan(context: GitContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Main into the branch, the branch into main, a line changed back: all that the merge would do is planned.

    With one of two merge bases as the base, such a pull request showed `NOTES.md` alone.
    """
    cross(context)
    loosen(context)
    pull = context.pull("mine")
    report = check_pull_request(context, pull.number, silent)
    assert report.plan is not None
    assert [file.path for file in report.plan.files] == ["NOTES.md", PROD, GATE]
    assert report.plan.policies == ["auc_floor"]
    context.acting("grace").forge.review(pull.number, approved=True)
    code, output = merge_as(context, pull.number, monkeypatch)
    assert (code, said(context, pull)) == (2, "1 of 3: grace")
    assert "bighead/approvals" in output
    for person in ("eve", "heidi"):
        context.acting(person).forge.review(pull.number, approved=True)
    assert merge_as(context, pull.number, monkeypatch)[0] == 0
    merged = context.repository.tree("main").read(PROD).decode()
    assert MANY not in merged


def test_the_bot_merges_no_step_that_crossing_histories_bring_more_with(context: GitContext) -> None:
    """A branch of the next step whose merge would also put back the rules: the bot makes its own in its place."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    cross(context)
    loosen(context)
    release = context.release("prod")
    assert release is not None
    text = (context.clone / RELEASE).read_text()
    weights = [
        (variant.weight, after.weight)
        for variant, after in zip(release.variants, advanced(release).variants, strict=True)
    ]
    step = text
    for old, new in weights:
        step = step.replace(f"weight: {old}\n", f"weight: {new} \n")
    context.edit(RELEASE, text, step.replace(" \n", "\n"))
    prepared = context.pull("release/prod/late", author="mallory")
    context.forge.update(prepared.number, labels=("bighead/release", "bighead/release/advance"))
    assert pass_canary(context, passes=1) == ["advanced"]
    assert context.split("prod") == {"v2": 50, "v3": 50}
    tree = context.repository.tree("main")
    assert MANY in tree.read(PROD).decode()
    assert b"at_least: 0.7" in tree.read(GATE)
    newest = context.repository.log("main", limit=1)[0]
    changed = context.repository.changed_paths(newest.parents[0], newest.id)
    assert changed == [RELEASE]


@pytest.mark.parametrize(
    "change",
    [
        ["update-index", "--chmod=+x", "models/late/v1/model.py"],
        ["update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendor"],
    ],
    ids=["mode", "submodule"],
)
def test_a_mode_or_a_submodule_is_planned_and_approved(
    context: GitContext, change: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on the branch of a rollback, which alone needs nobody."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    pull = rollback(context.acting("oncall"), "late", "prod")
    assert check_pull_request(context, pull.number, silent).state == "passed"
    assert said(context, pull) == "nobody has to approve it"
    context.git("fetch", "--quiet", "origin")
    context.git("switch", "--quiet", "-c", "back", f"origin/{pull.source}")
    context.git(*change)
    context.git("commit", "--quiet", "-m", "and this")
    context.git("push", "--quiet", "origin", f"HEAD:{pull.source}")
    report = check_pull_request(context, pull.number, silent)
    assert report.plan is not None
    assert {file.path for file in report.plan.files} == {RELEASE, change[-1].rsplit(",", maxsplit=1)[-1]}
    assert said(context, pull) == "0 of 1"
    assert merge_as(context, pull.number, monkeypatch)[0] == 2


def test_a_release_brings_ordinary_files_only(context: GitContext) -> None:
    """A mode on the release's own file would ride along with a move that needs nobody, so it is refused."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    pull = rollback(context.acting("oncall"), "late", "prod")
    context.git("fetch", "--quiet", "origin")
    context.git("switch", "--quiet", "-c", "back", f"origin/{pull.source}")
    context.git("update-index", "--chmod=+x", RELEASE)
    context.git("commit", "--quiet", "-m", "executable")
    context.git("push", "--quiet", "origin", f"HEAD:{pull.source}")
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert f"{RELEASE}: is an executable, a symbolic link or a submodule" in report.problems[0]


def test_the_old_setting_for_people_holds_up_no_bot(context: GitContext) -> None:
    """`bighead.requiredApprovals` asked for reviews of every pull request, also the bot's: it means nothing now.

    What an environment asks for holds for the promotion, and a canary goes on by itself.
    """
    context.git_repository.git.run("config", "bighead.requiredApprovals", "1")
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    assert pass_canary(context, passes=3) == ["advanced", "advanced", "retired"]
    pull = rollback(context.acting("oncall"), "late", "prod")
    check_pull_request(context, pull.number, silent)
    assert context.acting("oncall").forge.merge(pull.number, pull.head).state == "merged"
    traffic(context, 10)
    assert [failure.message for failure in advance(context, silent).failures] == []


def test_whoever_pushed_may_not_approve(context: GitContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits under another name, pushed by the one who would approve them: the branch's log of moves says who."""
    context.git("switch", "--quiet", "-c", "topic")
    context.edit("NOTES.md", "", "notes\n", who="ada")
    pull = context.pull("topic")
    assert context.forge.contributors(pull.number) >= {"ada"}
    context.edit("NOTES.md", "notes", "mine", who="ada")
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Mallory")
    context.git("push", "--quiet", "origin", "HEAD:refs/heads/topic", who="mallory")
    monkeypatch.delenv("GIT_COMMITTER_NAME")
    assert "Mallory" in context.forge.contributors(pull.number)
    check_pull_request(context, pull.number, silent)
    context.acting("mallory").forge.review(pull.number, approved=True)
    assert merge_as(context, pull.number, monkeypatch)[0] == 2
    assert said(context, pull) == "0 of 1"
