"""A release is the release file and what its platform renders: opened, judged, taken back and removed together."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bighead_ci.clocks import SystemClock
from bighead_ci.definitions.release_file import render_release
from bighead_ci.definitions.tree import OverlaidTree
from bighead_ci.delivery.advance import advance
from bighead_ci.delivery.approvals import review
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.checks import APPROVALS, find_check
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.main import Mainline
from bighead_ci.delivery.promote import promote
from bighead_ci.delivery.proposal import Proposal
from bighead_ci.delivery.reconcile import reconcile
from bighead_ci.delivery.release_files import (
    changes_to,
    environment_files,
    files_in,
    only_of,
    release_files,
    rendering_problems,
)
from bighead_ci.delivery.rollback import check_rollback, rollback
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.documents.report import PullRequestReport
from bighead_ci.forge.local import LocalForge
from bighead_ci.git.repository import GitRepository
from bighead_ci.planning.releases import aborted
from bighead_ci.ports.progress import silent
from bighead_ci.ports.tree import Tree
from fakes.context import FakeContext, encoded
from fakes.engine import MemoryEngine
from fakes.memory_tree import MemoryTree, repository
from fakes.platform import RenderingPlatform
from fakes.repositories import begin_repository, git
from fakes.shipping import merge_version, pass_canary, promote_and_merge, ship, traffic

KEY = ("prod", "late")
PATH = "environments/prod/late.yaml"
ROOM = "environments/prod/rendered/late"
ROUTE = f"{ROOM}/route.yaml"


@pytest.fixture
def rendering(context: FakeContext) -> FakeContext:
    """Prod renders."""
    context.platforms["prod"] = RenderingPlatform("prod", context.clock)
    return context


@pytest.fixture
def canary(rendering: FakeContext) -> FakeContext:
    """v3 comes in beside v2."""
    ship(rendering, "v2")
    ship(rendering, "v3", skill=1.2)
    return rendering


def names(tree: Tree) -> list[str]:
    """What is rendered of the release, by name; of a variant, its version."""
    return [path.removeprefix(f"{ROOM}/").split("-")[0] for path in files_in(tree, KEY) if path.startswith(ROOM)]


def judged(context: FakeContext, pull: PullRequestSummary) -> PullRequestReport:
    return check_pull_request(context, pull.number, silent)


def wrong(context: FakeContext, changes: dict[str, str | None]) -> str:
    """What the checks of a pull request with these changes refuse."""
    report = judged(context, context.propose("by-hand", changes).summary)
    assert report.state == "invalid"
    return "\n".join(report.problems)


def whole(context: FakeContext, tree: Tree) -> bool:
    """Whether a tree holds exactly the files of the release that it has."""
    release = context.release("prod")
    return (
        changes_to(tree, KEY, release_files(context, context.main().desired, context.main().tree, KEY, release)) == {}
    )


def test_what_a_platform_renders_is_committed_with_the_release(rendering: FakeContext) -> None:
    """One commit has both; its check passes, and the approvals are those of the move."""
    merge_version(rendering, "v2")
    promote_and_merge(rendering, "staging", "v2")
    promotion = promote(rendering.acting("ada"), "late", "prod")
    assert promotion is not None
    pull = promotion.pull_request
    changed = rendering.repository.changed_paths(rendering.tip, pull.head)
    assert changed == sorted([PATH, *files_in(rendering.repository.tree(pull.head), KEY)[1:]])
    assert names(rendering.repository.tree(pull.head)) == ["route.yaml", "v2"]
    assert "+++ b/environments/prod/rendered/late/route.yaml" in promotion.report.diff
    assert judged(rendering, pull).state == "passed"
    rendering.approve_and_merge(pull.number)
    assert whole(rendering, rendering.main().tree)
    assert files_in(rendering.main().tree, ("staging", "late")) == ["environments/staging/late.yaml"]


def test_each_step_of_a_canary_renders_anew(canary: FakeContext) -> None:
    """What is rendered of a variant leaves in the commit in which the variant leaves."""
    assert names(canary.main().tree) == ["route.yaml", "v2", "v3"]
    assert pass_canary(canary, 2) == ["advanced", "advanced"]
    assert whole(canary, canary.main().tree)
    assert pass_canary(canary, 1) == ["retired"]
    assert names(canary.main().tree) == ["route.yaml", "v3"]
    assert whole(canary, canary.main().tree)


def test_a_step_that_waits_for_a_person_stays_open_as_it_is(rendering: FakeContext) -> None:
    """Unless what it would render is no longer what it brings."""
    text = rendering.main().tree.read("environments/prod/environment.yaml").decode()
    rendering.change_main({"environments/prod/environment.yaml": with_person_above(text)}, "ask")
    ship(rendering, "v2")
    ship(rendering, "v3", skill=1.2)
    assert pass_canary(rendering, 1) == ["needs approval"]
    (first,) = rendering.forge.find("open")
    assert pass_canary(rendering, 1) == ["needs approval"]
    assert rendering.forge.get(first.number).head == first.head
    rendering.repository.commit(first.source, first.head, {f"{ROOM}/extra.yaml": b"x"}, "sly", "eve")
    review(rendering.acting("grace"), first.number, approved=True)
    assert pass_canary(rendering, 1) == ["needs approval"]
    proposed = rendering.repository.tree(rendering.forge.get(first.number).head)
    assert "extra.yaml" not in names(proposed)


def with_person_above(text: str) -> str:
    assert "person_above" not in text
    return text.replace("canary: {", "canary: {person_above: 10, ")


def test_a_failed_canary_takes_what_it_rendered_with_it(canary: FakeContext) -> None:
    """The bot's way back is a whole release, too."""
    canary.clock.forward(60)
    traffic(canary, 1000, errors=500)
    assert [step.action for step in advance(canary, silent).steps if step.environment == "prod"] == ["reverted"]
    assert names(canary.main().tree) == ["route.yaml", "v2"]
    assert whole(canary, canary.main().tree)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (ROUTE, "is not what the release renders"),
        (f"{ROOM}/extra.yaml", "no release renders this file"),
        (f"{ROOM}/deep/er.txt", "no release renders this file"),
        ("environments/prod/rendered/other/route.yaml", "no release renders"),
        ("environments/prod/rendered/route.yaml", "no environment renders this file"),
        ("environments/staging/rendered/late/route.yaml", "no release renders this file"),
        ("environments/nowhere/rendered/late/route.yaml", "no release renders"),
    ],
)
def test_a_rendered_file_that_its_release_does_not_render_is_refused(
    canary: FakeContext, path: str, words: str
) -> None:
    """Edited by hand, one too many, of no release, of a platform that renders nothing."""
    said = wrong(canary, {path: "by: hand\n"})
    assert path in said
    assert words in said


def test_a_rendered_file_is_not_left_out(canary: FakeContext) -> None:
    """Deleting one is refused, and so is a release without what it renders."""
    assert f"{ROUTE}: is not what the release renders" in wrong(canary, {ROUTE: None})
    release = canary.release("prod")
    assert release is not None
    said = wrong(canary, {PATH: render_release(aborted(release)), ROUTE: canary.main().tree.read(ROUTE).decode()})
    assert f"{ROUTE}: is not what the release renders" in said
    assert "no release renders this file" in said


def test_what_is_no_file_is_refused_where_files_are_rendered(tmp_path: Path) -> None:
    """A submodule, which no listing of contents shows, is not brought along with a release."""
    bare = GitRepository(begin_repository(tmp_path / "forge.git"))
    bare.commit("main", "main", encoded(repository()), "first", "ada")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(bare.git.directory), "clone")
    git(clone, "switch", "--quiet", "-c", "topic")
    git(clone, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},{ROOM}/charts")
    git(clone, "commit", "--quiet", "-m", "charts")
    git(clone, "push", "--quiet", "origin", "topic")
    forge = LocalForge(bare, SystemClock(), "ada")
    context = cast(Context, SimpleNamespace(repository=bare, engine=MemoryEngine(), forge=forge))
    proposal = Proposal(context, forge.open("topic", "main", "charts", ""), Mainline(bare).at())
    (problem,) = rendering_problems(context, proposal)
    assert problem.file == f"{ROOM}/charts"


def test_a_release_that_renders_the_same_needs_no_other_file(canary: FakeContext) -> None:
    """Another canary plan, or another wording, changes the release file alone."""
    pass_canary(canary, 3)
    text = canary.main().tree.read(PATH).decode()
    pull = canary.propose("settings", {PATH: text.replace("soak: 8s", "soak: 9s")})
    assert judged(canary, pull.summary).state == "passed"


def test_an_environment_that_renders_otherwise_brings_its_releases(canary: FakeContext) -> None:
    """A definition by which its releases render other files comes with these files."""
    pass_canary(canary, 3)
    platform = canary.platforms["prod"]
    assert isinstance(platform, RenderingPlatform)
    platform.namespace = "models"
    text = canary.main().tree.read("environments/prod/environment.yaml").decode()
    changes: dict[str, str | None] = {"environments/prod/environment.yaml": f"# other\n{text}"}
    assert f"{ROUTE}: is not what the release renders" in wrong(canary, changes)
    main = canary.main()
    files = release_files(canary, main.desired, main.tree, KEY, canary.release("prod"))
    files |= environment_files(canary, main.desired, "prod")
    changes |= {path: content.decode() for path, content in files.items()}
    assert judged(canary, canary.propose("whole", changes).summary).state == "passed"


def test_a_version_that_needs_other_resources_brings_its_releases(canary: FakeContext) -> None:
    """No result changes by it, but what is rendered of the releases that name the version does."""
    pass_canary(canary, 3)
    path = "models/late/v3/model.yaml"
    text = canary.main().tree.read(path).decode() + "resources: {serve: {cpu: '3'}}\n"
    said = wrong(canary, {path: text})
    assert "is not what the release renders" in said
    assert "`bighead render`" in said
    overlaid = OverlaidTree(canary.main().tree, {path: text.encode()})
    files = release_files(canary, canary.main().desired, overlaid, KEY, canary.release("prod"))
    changes: dict[str, str | None] = {name: content.decode() for name, content in files.items()}
    assert judged(canary, canary.propose("resources", changes | {path: text}).summary).state == "passed"


def test_a_removed_release_takes_its_rendered_files_along(canary: FakeContext) -> None:
    """What is left behind is named; without it the removal passes and needs no more approvals than any other."""
    left = wrong(canary, {PATH: None})
    rendered = [path for path in files_in(canary.main().tree, KEY) if path != PATH]
    assert all(f"{path}: no release renders this file" in left for path in rendered)
    pull = canary.propose("removal", dict.fromkeys([PATH, *rendered]))
    assert judged(canary, pull.summary).state == "passed"
    found = find_check(canary.forge, canary.forge.get(pull.number).head, APPROVALS)
    assert found is not None
    assert found.description == "0 of 1"


def test_going_back_brings_back_what_was_rendered(canary: FakeContext) -> None:
    """By the command and by hand: the commits since are the release's own, with all its files."""
    pass_canary(canary, 3)
    check = check_rollback(canary, "late", "prod")
    assert "git revert" in check.git
    pull = rollback(canary.acting("oncall"), "late", "prod")
    assert judged(canary, pull).state == "passed"
    canary.approve_and_merge(pull.number)
    reconcile(canary, silent)
    assert names(canary.main().tree) == ["route.yaml", "v2"]
    assert whole(canary, canary.main().tree)


def test_the_line_by_hand_restores_every_file_of_the_release(canary: FakeContext) -> None:
    """Where a commit since did something else, the files of this release alone go back, rendered ones with it."""
    pass_canary(canary, 3)
    release = canary.release("prod")
    assert release is not None
    text = render_release(release).replace("#", "# ", 1)
    canary.change_main({PATH: text, "README.md": "x\n"}, "straight to main")
    check = check_rollback(canary, "late", "prod")
    line = f"git restore --source={check.target[:10]} --staged --worktree -- {PATH} {ROOM}"
    assert f"{line} && git commit -m 'Back to {check.target[:10]}'" in check.git


def test_git_restore_takes_away_what_was_added_since(tmp_path: Path) -> None:
    """The line by hand does with git itself what it is there for."""
    bare = GitRepository(begin_repository(tmp_path / "repository.git"))
    old = bare.commit("main", "main", {PATH: b"old", ROUTE: b"old", "x": b"1"}, "old", "ada")
    bare.commit("main", old, {PATH: b"new", f"{ROOM}/v3.yaml": b"new", "x": b"2"}, "new", "ada")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(tmp_path / "repository.git"), str(clone))
    git(clone, "restore", f"--source={old[:10]}", "--staged", "--worktree", "--", PATH, ROOM)
    git(clone, "commit", "--quiet", "-m", "back")
    assert git(clone, "diff", "--name-only", old, "HEAD") == "x"


def test_files_belong_to_one_release() -> None:
    """By their place, whatever is in them."""
    tree = MemoryTree({PATH: "a", ROUTE: "b", "environments/prod/environment.yaml": "c", f"{ROOM}2/x": "d"})
    assert files_in(tree, KEY) == [PATH, ROUTE]
    assert only_of([PATH, ROUTE], KEY)
    assert not only_of([PATH, "environments/prod/environment.yaml"], KEY)
