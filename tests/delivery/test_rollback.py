"""Going back: what it would restore, whether that still exists, and the pull request that does it."""

from __future__ import annotations

import shutil

import pytest

from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.merge import merge_pull_request
from bighead_ci.delivery.promote import promote
from bighead_ci.delivery.reconcile import reconcile
from bighead_ci.delivery.rollback import Precondition, RollbackCheck, check_rollback, rollback
from bighead_ci.documents.release import Release
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext
from fakes.shipping import merge_version, pass_canary, promote_and_merge, ship

FEATURES = "features/delays/v1/feature_set.yaml"
PATH = "environments/prod/late.yaml"


def old_release(context: FakeContext) -> Release:
    """What a rollback of prod would restore."""
    return check_rollback(context, "late", "prod").release


def old_target(context: FakeContext) -> str:
    """The commit that a rollback of prod would restore."""
    return check_rollback(context, "late", "prod").target


def failing(check: RollbackCheck) -> list[Precondition]:
    """What is missing."""
    return [precondition for precondition in check.preconditions if not precondition.holds]


def test_a_rollback_finds_the_previous_stable_release(shipped: FakeContext) -> None:
    """The canary's steps between are passed over; all that v2 needs still exists, and the move is allowed."""
    check = check_rollback(shipped, "late", "prod")
    assert [(v.version, v.weight) for v in check.release.variants] == [("v2", 100)]
    assert check.possible
    kinds = [precondition.what.split()[1] for precondition in check.preconditions]
    assert kinds == ["image", "artifact", "record", "features", "move"]


def test_a_rollback_in_a_canary_ends_it(context: FakeContext) -> None:
    """The release before the canary is the one to go back to."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    pull = rollback(context.acting("ada"), "late", "prod")
    assert "canary of v3 ends" in pull.title
    assert check_pull_request(context, pull.number, silent).state == "passed"
    merged = merge_pull_request(context.acting("ada"), pull.number)
    assert context.forge.get(merged.number).approvals() == []
    reconcile(context, silent)
    assert context.live("prod") == {"v2": 100}


def test_a_rollback_is_merged_without_an_approval_and_restores_the_release(shipped: FakeContext) -> None:
    """After its check, by whoever opened it; the old version has the traffic again."""
    before = old_release(shipped)
    pull = rollback(shipped.acting("ada"), "late", "prod")
    assert pull.author == "ada"
    assert check_pull_request(shipped, pull.number, silent).state == "passed"
    merge_pull_request(shipped.acting("ada"), pull.number)
    assert shipped.release("prod") == before
    reconcile(shipped, silent)
    assert shipped.live("prod")["v2"] == 100


def test_a_rollback_can_name_the_commit_to_go_back_to(shipped: FakeContext) -> None:
    """The release of that very commit is restored, an older one than the last."""
    merge_version(shipped, "v4", skill=1.3)
    promote_and_merge(shipped, "staging", "v4")
    promote_and_merge(shipped, "prod")
    pass_canary(shipped)
    path = "environments/prod/late.yaml"
    first = shipped.repository.log("main", path)[-1].id
    check = check_rollback(shipped, "late", "prod", to=first[:10])
    assert [v.version for v in check.release.variants] == ["v2"]
    assert check.target == first
    assert [v.version for v in old_release(shipped).variants] == ["v3"]


def test_an_image_that_is_gone_is_named_and_refuses(shipped: FakeContext) -> None:
    """The check names it beforehand; the rollback opens nothing."""
    del shipped.images.held[old_release(shipped).stable.image]
    (missing,) = failing(check_rollback(shipped, "late", "prod"))
    assert missing.what.startswith("v2 image")
    before = len(shipped.forge.pulls)
    with pytest.raises(InputError, match=r"v2 image .* missing or damaged"):
        rollback(shipped.acting("ada"), "late", "prod")
    assert len(shipped.forge.pulls) == before


def test_an_artifact_that_is_damaged_is_named_and_refuses(shipped: FakeContext) -> None:
    """A single changed byte is enough."""
    artifact = shipped.records.artifact(old_release(shipped).stable.artifact)
    (artifact / "model.onnx").write_text("something else")
    (missing,) = failing(check_rollback(shipped, "late", "prod"))
    assert missing.what.startswith("v2 artifact")
    assert "damaged" in missing.detail
    with pytest.raises(InputError, match="v2 artifact"):
        rollback(shipped.acting("ada"), "late", "prod")


def test_features_that_mean_something_else_now_are_named_and_refuse(shipped: FakeContext) -> None:
    """The old model would be served numbers that it was not trained on."""
    text = shipped.repository.tree("main").read(FEATURES).decode()
    shipped.change_main({FEATURES: text.replace("[1h, 7d]", "[1h, 7d]\n    default: 0.0")}, "nulls become zeros")
    (missing,) = failing(check_rollback(shipped, "late", "prod"))
    assert (missing.what, missing.detail) == ("v2 features delays/v1", "its meaning changed since")
    with pytest.raises(InputError, match="v2 features delays/v1: its meaning changed since"):
        rollback(shipped.acting("ada"), "late", "prod")


def test_a_feature_set_that_is_gone_is_named(shipped: FakeContext) -> None:
    """Its file is not on main any more."""
    shipped.change_main({FEATURES: None}, "tidy up")
    (missing,) = failing(check_rollback(shipped, "late", "prod"))
    assert missing.what == "v2 features delays/v1"


def test_all_that_is_missing_is_named_at_once(shipped: FakeContext) -> None:
    """Image and artifact in one message."""
    stable = old_release(shipped).stable
    del shipped.images.held[stable.image]
    (shipped.records.artifact(stable.artifact) / "golden.json").unlink()
    with pytest.raises(InputError, match=r"v2 image .*; v2 artifact"):
        rollback(shipped.acting("ada"), "late", "prod")


def test_the_command_by_hand_undoes_merges_along_their_first_parent(shipped: FakeContext) -> None:
    """Every commit since the old release, newest first, `-m 1` because each is a merged pull request."""
    check = check_rollback(shipped, "late", "prod")
    log = shipped.repository.log("main", "environments/prod/late.yaml")
    assert len(log) == 5
    undone = " ".join(commit.id[:10] for commit in log[:4])
    assert check.target == log[4].id
    onto_main = "git fetch origin && git switch --detach origin/main"
    assert check.git == f"{onto_main} && git revert --no-edit -m 1 {undone} && git push origin HEAD:main"


def test_the_command_by_hand_restores_the_same_release(shipped: FakeContext) -> None:
    """Reverting those commits one after the other gives what the pull request gives."""
    check = check_rollback(shipped, "late", "prod")
    commits = check.git.split(" -m 1 ")[1].split(" && ")[0].split()
    log = {commit.id[:10]: commit for commit in shipped.repository.log("main")}
    for commit in commits:
        before = shipped.repository.tree(log[commit].parents[0]).read(PATH)
        shipped.change_main({PATH: before.decode()}, f"Revert {commit}")
    assert shipped.release("prod") == check.release


def test_the_command_by_hand_leaves_alone_what_came_with_the_release(shipped: FakeContext) -> None:
    """A commit that changed another file too is not reverted: only the release goes back."""
    text, before = shipped.repository.tree(old_target(shipped)).read(PATH).decode(), shipped.tip
    shipped.change_main({PATH: text, "environments/prod/other.yaml": "variants: []\n"}, "straight to main")
    check = check_rollback(shipped, "late", "prod", to=before)
    assert [v.version for v in check.release.variants] == ["v3"]
    assert "git revert" not in check.git
    assert f"git restore --source={check.target[:10]} --staged --worktree -- {PATH} && git commit" in check.git


def test_a_record_that_is_gone_is_named_beforehand(shipped: FakeContext) -> None:
    """Its artifact still exists with another record, but the checks of a rollback refuse a run they do not know."""
    run = old_release(shipped).stable.run
    record = shipped.records._records.pop(run)
    shutil.copytree(shipped.records._directory / run, shipped.records._directory / "other")
    shipped.records._records["other"] = record.model_copy(update={"run_id": "other"})
    (missing,) = failing(check_rollback(shipped, "late", "prod"))
    assert missing.what == f"v2 record {run}"
    assert "no record has run id" in missing.detail


def test_a_move_that_its_checks_would_refuse_is_named_beforehand(context: FakeContext) -> None:
    """Back to 50 % for a canary that was ended takes a promotion's gates."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    pass_canary(context, passes=1)
    half = context.tip
    context.approve_and_merge(rollback(context.acting("ada"), "late", "prod").number)
    (missing,) = failing(check_rollback(context, "late", "prod", to=half))
    assert missing.what == "the move"
    with pytest.raises(InputError, match="no move that a release can make"):
        rollback(context.acting("ada"), "late", "prod", to=half)


def test_any_commit_of_main_can_be_gone_back_to(shipped: FakeContext) -> None:
    """What main said then counts, whether or not that commit touched the release."""
    target = old_target(shipped)
    line = [commit.id for commit in shipped.repository.log("main")]
    after = line[line.index(target) - 1]
    assert target not in {c.id for c in shipped.repository.log(after, limit=1)}
    assert check_rollback(shipped, "late", "prod", to=after).target == target


@pytest.mark.parametrize(("which", "words"), [(0, "is what it serves now"), (-1, "main had no release of late")])
def test_a_commit_without_another_release_is_refused(shipped: FakeContext, which: int, words: str) -> None:
    """The present one, and one from before the first."""
    commit = shipped.repository.log("main")[which].id
    with pytest.raises(InputError, match=words):
        check_rollback(shipped, "late", "prod", to=commit)


def test_a_release_that_was_removed_and_made_again_can_still_go_back(shipped: FakeContext) -> None:
    """The gap is passed over."""
    text = shipped.repository.tree("main").read(PATH).decode()
    shipped.change_main({PATH: None}, "enough")
    shipped.change_main({PATH: text}, "not enough")
    check = check_rollback(shipped, "late", "prod")
    assert [v.version for v in check.release.variants] == ["v2"]
    assert check.possible


def test_a_rollback_of_a_version_that_left_the_tree_passes_its_checks(shipped: FakeContext) -> None:
    """Serving needs its image and artifact, not its directory; the check says so and is right."""
    gone = {p: None for p in shipped.repository.tree("main").files() if p.startswith("models/late/v2/")}
    shipped.change_main(gone, "v2 is history")
    assert check_rollback(shipped, "late", "prod").possible
    pull = rollback(shipped.acting("ada"), "late", "prod")
    assert check_pull_request(shipped, pull.number, silent).state == "passed"


def test_no_promotion_takes_the_place_of_an_open_rollback(shipped: FakeContext) -> None:
    """Both live on the release's branch: the promotion is refused and names the pull request in its way."""
    merge_version(shipped, "v4", skill=1.3)
    promote_and_merge(shipped, "staging", "v4")
    pull = rollback(shipped.acting("oncall"), "late", "prod")
    with pytest.raises(InputError, match=f"#{pull.number} is open and takes late in prod back"):
        promote(shipped, "late", "prod")
    assert shipped.forge.get(pull.number).summary == pull


def test_a_rollback_of_what_does_not_serve_is_refused(context: FakeContext) -> None:
    """Nothing is released: the message names model and environment."""
    with pytest.raises(InputError, match="late has no release in prod"):
        check_rollback(context, "late", "prod")
    with pytest.raises(InputError, match="no environment 'qa'"):
        check_rollback(context, "late", "qa")


def test_a_first_release_has_nothing_to_go_back_to(context: FakeContext) -> None:
    """There was no version before."""
    ship(context, "v2")
    with pytest.raises(InputError, match="no other release in prod before the present one"):
        check_rollback(context, "late", "prod")


def test_a_broken_file_of_the_past_does_not_stand_in_the_way(shipped: FakeContext) -> None:
    """Another environment's release could not be read at the commit to go back to; it is right again since."""
    whole = shipped.repository.tree("main").read("environments/staging/late.yaml").decode()
    old = shipped.repository.tree(old_target(shipped)).read("environments/prod/late.yaml").decode()
    new = shipped.repository.tree("main").read("environments/prod/late.yaml").decode()
    shipped.change_main(
        {"environments/staging/late.yaml": "variants: []\n", "environments/prod/late.yaml": old}, "oops"
    )
    target = shipped.tip
    shipped.change_main({"environments/staging/late.yaml": whole, "environments/prod/late.yaml": new}, "mended")
    assert old_target(shipped) == target


def test_a_canary_of_the_past_is_not_gone_back_to(shipped: FakeContext) -> None:
    """v4's canary was stopped: going back from v3 is to v2, which served alone, not to the canary."""
    merge_version(shipped, "v4", skill=1.3)
    promote_and_merge(shipped, "staging", "v4")
    promote_and_merge(shipped, "prod")
    assert shipped.split("prod") == {"v3": 90, "v4": 10}
    shipped.approve_and_merge(rollback(shipped.acting("ada"), "late", "prod").number)
    assert shipped.split("prod") == {"v3": 100}
    assert [v.version for v in old_release(shipped).variants] == ["v2"]


def test_going_back_within_a_canary_needs_nobody(context: FakeContext) -> None:
    """A person must say yes to more traffic, not to less."""
    path = "environments/prod/environment.yaml"
    text = context.repository.tree("main").read(path).decode()
    plan = "minimum_requests: 200, person_above: 5"
    context.change_main({path: text.replace("minimum_requests: 200", plan)}, "ask a person")
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    tenth = context.tip
    assert pass_canary(context, passes=1) == ["needs approval"]
    context.approve_and_merge(context.forge.find("open")[0].number)
    assert context.split("prod") == {"v2": 50, "v3": 50}
    pull = rollback(context.acting("ada"), "late", "prod", to=tenth)
    assert check_pull_request(context, pull.number, silent).state == "passed"
    merge_pull_request(context.acting("ada"), pull.number)
    assert context.split("prod") == {"v2": 90, "v3": 10}


def test_the_revert_of_a_removal_is_a_rollback(shipped: FakeContext) -> None:
    """What serves again served before: it needs neither a promotion's gates nor anybody's approval."""
    text = shipped.repository.tree("main").read(PATH).decode()
    shipped.change_main({PATH: None}, "remove")
    pull = shipped.propose("back", {PATH: text})
    report = check_pull_request(shipped, pull.number, silent)
    assert report.plan is not None
    assert [(change.move, change.description) for change in report.plan.releases] == [("rollback", "v3 serves again")]
