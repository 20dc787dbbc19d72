"""What a merge does is what was judged, whatever the histories are like and whatever kind of change it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.checks import APPROVALS, find_check
from bighead_ci.delivery.merge import merge_pull_request
from bighead_ci.delivery.rollback import rollback
from bighead_ci.documents.forge import PullRequest
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent
from bighead_ci.reporting.renderer import Renderer
from fakes.context import FakeContext
from fakes.git_context import GitContext
from fakes.shipping import ship

PROD = "environments/prod/environment.yaml"
GATE = "policies/auc_floor.yaml"


@pytest.fixture
def story(tmp_path: Path) -> GitContext:
    return GitContext(tmp_path)


def approvals(context: FakeContext, pull: PullRequest) -> str:
    check = find_check(context.forge, context.forge.get(pull.number).head, APPROVALS)
    assert check is not None
    return check.description


def text(context: FakeContext, path: str) -> str:
    return context.repository.tree("main").read(path).decode()


def cross(story: GitContext, path: str, before: str, after: str) -> PullRequest:
    """A pull request whose own commits say `NOTES.md`, and whose merge would put a line of `path` back to `before`.

    main and the branch were merged into each other, so they have two merge bases; in the branch's merge the line was
    changed back. Seen from one of the two, the branch does not touch the file.
    """
    git = story.git
    git("checkout", "--quiet", "-b", "notes")
    story.edit("README.md", "", "# notes\n")
    first = git("rev-parse", "HEAD")
    git("checkout", "--quiet", "main")
    story.edit(path, before, after)
    second = git("rev-parse", "HEAD")
    git("merge", "--quiet", "--no-edit", first)
    git("push", "--quiet", "origin", "main")
    git("checkout", "--quiet", "notes")
    git("merge", "--quiet", "--no-edit", "--strategy", "ours", second)
    story.edit("NOTES.md", "", "notes\n")
    assert set(git("merge-base", "--all", "main", "notes").split()) == {first, second}
    return story.pull("notes")


def test_what_a_merge_would_put_back_is_planned_and_approved(story: GitContext) -> None:
    """A rule that main has raised is not lowered by a branch that seems to add a note."""
    story.edit(PROD, "promotes_from: staging\n", "promotes_from: staging\napprovals: 1\n")
    story.git("push", "--quiet", "origin", "main")
    pull = cross(story, PROD, "approvals: 1", "approvals: 3")
    report = check_pull_request(story, pull.number, silent)
    assert report.plan is not None
    assert {file.path for file in report.plan.files} == {PROD, "NOTES.md"}
    assert approvals(story, pull) == "0 of 3"
    with pytest.raises(InputError, match="bighead/approvals"):
        merge_pull_request(story.acting("grace"), pull.number)
    assert "approvals: 3" in text(story, PROD)


def test_what_is_merged_is_the_tree_that_was_planned(story: GitContext) -> None:
    """Blob by blob: main after the merge differs from main before it in what the report lists and in nothing else."""
    pull = cross(story, GATE, "at_least: 0.6}", "at_least: 0.65}")
    before = dict(story.repository.tree("main").files())
    report = check_pull_request(story, pull.number, silent)
    assert report.plan is not None
    story.approve_and_merge(pull.number)
    after = dict(story.repository.tree("main").files())
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert changed == {file.path for file in report.plan.files} == {GATE, "NOTES.md"}


@pytest.mark.parametrize("kind", ["mode", "submodule", "link"])
def test_a_change_that_is_no_content_is_planned_and_needs_approval(story: GitContext, kind: str) -> None:
    """An executable bit, a submodule and a symbolic link are changes like any other."""
    story.git("checkout", "--quiet", "-b", "odd")
    path = special(story, kind)
    pull = story.pull("odd")
    report = check_pull_request(story, pull.number, silent)
    assert report.plan is not None
    assert [file.path for file in report.plan.files] == [path]
    assert approvals(story, pull) == "0 of 1"
    with pytest.raises(InputError, match="bighead/approvals"):
        merge_pull_request(story.acting("grace"), pull.number)


@pytest.mark.parametrize("kind", ["mode", "submodule", "link"])
def test_nothing_rides_into_main_on_the_branch_of_a_rollback(story: GitContext, kind: str) -> None:
    """A rollback needs nobody, so it may change nothing but its release."""
    ship(story, "v2")
    ship(story, "v3", skill=1.2)
    pull = rollback(story.acting("ada"), "late", "staging")
    story.git("fetch", "--quiet", "origin")
    story.git("checkout", "--quiet", "-b", "ride", f"origin/{pull.source}")
    special(story, kind)
    story.git("push", "--quiet", "origin", f"HEAD:refs/heads/{pull.source}")
    check_pull_request(story, pull.number, silent)
    assert approvals(story, story.forge.get(pull.number)).startswith("0 of 1")
    with pytest.raises(InputError, match="bighead/approvals"):
        merge_pull_request(story.acting("grace"), pull.number)


def special(story: GitContext, kind: str) -> str:
    """Commit a change that is no content of an ordinary file, on the branch that the clone is on; its path."""
    if kind == "mode":
        path = "README.md"
        if not (story.clone / path).exists():
            path = PROD
        story.git("update-index", "--chmod=+x", path)
    elif kind == "submodule":
        path = "vendored"
        story.git("update-index", "--add", "--cacheinfo", f"160000,{story.git('rev-parse', 'HEAD')},{path}")
    else:
        path = "link"
        target = story.clone.parent / "target"
        target.write_text("/etc/passwd")
        blob = story.git("hash-object", "-w", str(target))
        story.git("update-index", "--add", "--cacheinfo", f"120000,{blob},{path}")
    story.git("commit", "--quiet", "-m", kind)
    return path


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("approvals: 2", "approvals: 0"),
        ("steps: [10, 50, 100]", "steps: [100]"),
        ("person_above: 5", "person_above: 100"),
    ],
)
def test_a_rule_is_loosened_by_as_many_as_the_rule_asked_for(story: GitContext, before: str, after: str) -> None:
    """Where two people had to approve, two approve that none has to, or that no canary goes first; it says why."""
    story.edit(PROD, "promotes_from: staging\n", "promotes_from: staging\napprovals: 2\n")
    story.edit(PROD, "minimum_requests: 200", "minimum_requests: 200, person_above: 5")
    story.git("push", "--quiet", "origin", "main")
    story.git("checkout", "--quiet", "-b", "loose")
    story.edit(PROD, before, after)
    pull = story.pull("loose")
    report = check_pull_request(story, pull.number, silent)
    assert approvals(story, pull) == "0 of 2"
    assert (report.approvals[0].people, PROD in report.approvals[0].because) == (2, True)
    comment = Renderer(pictures=False).markdown(report)
    assert "2 people must approve" in comment.splitlines()[0]
    assert "what loosens a rule needs what the rule needed" in comment


def test_a_gate_is_changed_by_as_many_as_the_strictest_environment_asks_for(story: GitContext) -> None:
    """A threshold guards them all."""
    story.edit(PROD, "promotes_from: staging\n", "promotes_from: staging\napprovals: 2\n")
    story.git("push", "--quiet", "origin", "main")
    story.git("checkout", "--quiet", "-b", "loose")
    story.edit(GATE, "at_least: 0.6}", "at_least: 0.1}")
    pull = story.pull("loose")
    report = check_pull_request(story, pull.number, silent)
    assert approvals(story, pull) == "0 of 2"
    assert "gates guard every environment, and prod asks for as many" in report.approvals[0].because
