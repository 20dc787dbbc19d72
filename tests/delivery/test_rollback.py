"""Going back: what it would restore, whether that still exists, and the pull request that does it."""

from __future__ import annotations

import pytest

from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.context import silent
from bighead_ci.delivery.reconcile import reconcile
from bighead_ci.delivery.rollback import Precondition, RollbackCheck, check_rollback, rollback
from bighead_ci.documents.release import Release
from bighead_ci.errors import InputError
from fakes.context import FakeContext
from fakes.shipping import merge_version, pass_canary, promote_and_merge, ship

FEATURES = "features/delays/v1/feature_set.yaml"


@pytest.fixture
def shipped(context: FakeContext) -> FakeContext:
    """v2 served in prod, then v3 by way of a canary."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    pass_canary(context)
    assert context.split("prod") == {"v3": 100}
    return context


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
    """The canary's steps between are passed over; image, artifact and features of v2 still exist."""
    check = check_rollback(shipped, "late", "prod")
    assert [(v.version, v.weight) for v in check.release.variants] == [("v2", 100)]
    assert check.possible
    kinds = [precondition.what.split()[1] for precondition in check.preconditions]
    assert kinds == ["image", "artifact", "features"]


def test_a_rollback_in_a_canary_ends_it(context: FakeContext) -> None:
    """The release before the canary is the one to go back to."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    pull = rollback(context, "late", "prod", "ada")
    assert "canary of v3 ends" in pull.title
    assert check_pull_request(context, pull.number, silent).state == "passed"
    merged = context.forge.merge(pull.number, pull.head, "ada")
    assert merged.approvals() == []
    reconcile(context, silent)
    assert context.live("prod") == {"v2": 100}


def test_a_rollback_is_merged_without_an_approval_and_restores_the_release(shipped: FakeContext) -> None:
    """After its check, by whoever opened it; the old version has the traffic again."""
    before = old_release(shipped)
    pull = rollback(shipped, "late", "prod", "ada")
    assert pull.author == "ada"
    assert check_pull_request(shipped, pull.number, silent).state == "passed"
    shipped.forge.merge(pull.number, pull.head, "ada")
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
    del shipped.images.built[old_release(shipped).stable.image]
    (missing,) = failing(check_rollback(shipped, "late", "prod"))
    assert missing.what.startswith("v2 image")
    before = len(shipped.forge.pulls)
    with pytest.raises(InputError, match=r"v2 image .* missing or damaged"):
        rollback(shipped, "late", "prod", "ada")
    assert len(shipped.forge.pulls) == before


def test_an_artifact_that_is_damaged_is_named_and_refuses(shipped: FakeContext) -> None:
    """A single changed byte is enough."""
    artifact = shipped.records.artifact(old_release(shipped).stable.artifact)
    (artifact / "model.onnx").write_text("something else")
    (missing,) = failing(check_rollback(shipped, "late", "prod"))
    assert missing.what.startswith("v2 artifact")
    assert "damaged" in missing.detail
    with pytest.raises(InputError, match="v2 artifact"):
        rollback(shipped, "late", "prod", "ada")


def test_features_that_mean_something_else_now_are_named_and_refuse(shipped: FakeContext) -> None:
    """The old model would be served numbers that it was not trained on."""
    text = shipped.repository.tree("main").read(FEATURES).decode()
    shipped.change_main({FEATURES: text.replace("[1h, 7d]", "[1h, 7d]\n    default: 0.0")}, "nulls become zeros")
    (missing,) = failing(check_rollback(shipped, "late", "prod"))
    assert (missing.what, missing.detail) == ("v2 features delays/v1", "its meaning changed since")
    with pytest.raises(InputError, match="v2 features delays/v1: its meaning changed since"):
        rollback(shipped, "late", "prod", "ada")


def test_a_feature_set_that_is_gone_is_named(shipped: FakeContext) -> None:
    """Its file is not on main any more."""
    shipped.change_main({FEATURES: None}, "tidy up")
    (missing,) = failing(check_rollback(shipped, "late", "prod"))
    assert missing.what == "v2 features delays/v1"


def test_all_that_is_missing_is_named_at_once(shipped: FakeContext) -> None:
    """Image and artifact in one message."""
    stable = old_release(shipped).stable
    del shipped.images.built[stable.image]
    (shipped.records.artifact(stable.artifact) / "golden.json").unlink()
    with pytest.raises(InputError, match=r"v2 image .*; v2 artifact"):
        rollback(shipped, "late", "prod", "ada")


def test_the_command_by_hand_undoes_merges_along_their_first_parent(shipped: FakeContext) -> None:
    """Every commit since the old release, newest first, `-m 1` because each is a merged pull request."""
    check = check_rollback(shipped, "late", "prod")
    log = shipped.repository.log("main", "environments/prod/late.yaml")
    assert len(log) == 5
    undone = " ".join(commit.id[:10] for commit in log[:4])
    assert check.target == log[4].id
    assert check.git == f"git revert --no-edit -m 1 {undone} && git push origin HEAD:main"


def test_the_command_by_hand_restores_the_same_release(shipped: FakeContext) -> None:
    """Reverting those commits one after the other gives what the pull request gives."""
    check = check_rollback(shipped, "late", "prod")
    commits = check.git.split(" -m 1 ")[1].split(" && ")[0].split()
    for commit in commits:
        shipped.repository.revert("main", commit, shipped.main, "", "ada")
    assert shipped.release("prod") == check.release


def test_the_command_by_hand_has_no_parent_for_plain_commits(shipped: FakeContext) -> None:
    """Git refuses `-m 1` for a commit that is no merge."""
    text = shipped.repository.tree(old_target(shipped)).read("environments/prod/late.yaml").decode()
    shipped.change_main({"environments/prod/late.yaml": text}, "straight to main")
    check = check_rollback(shipped, "late", "prod")
    assert [v.version for v in check.release.variants] == ["v3"]
    assert " -m 1 " not in check.git
    assert shipped.main[:10] in check.git


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


def test_a_rollback_can_itself_be_rolled_back(shipped: FakeContext) -> None:
    """From v3 to v2, and from there to v3 again: the last other version that served alone."""
    pull = rollback(shipped, "late", "prod", "ada")
    shipped.approve_and_merge(pull.number)
    assert [v.version for v in old_release(shipped).variants] == ["v3"]


def test_a_broken_file_of_the_past_does_not_stand_in_the_way(shipped: FakeContext) -> None:
    """Another environment's release could not be read at the commit to go back to; it is right again since."""
    whole = shipped.repository.tree("main").read("environments/staging/late.yaml").decode()
    old = shipped.repository.tree(old_target(shipped)).read("environments/prod/late.yaml").decode()
    new = shipped.repository.tree("main").read("environments/prod/late.yaml").decode()
    shipped.change_main(
        {"environments/staging/late.yaml": "variants: []\n", "environments/prod/late.yaml": old}, "oops"
    )
    target = shipped.main
    shipped.change_main({"environments/staging/late.yaml": whole, "environments/prod/late.yaml": new}, "mended")
    assert old_target(shipped) == target


def test_a_canary_of_the_past_is_not_gone_back_to(shipped: FakeContext) -> None:
    """v4's canary was left for v2: going back from there is to v3, which served alone, not to the canary."""
    first = shipped.repository.log("main", "environments/prod/late.yaml")[-1].id
    merge_version(shipped, "v4", skill=1.3)
    promote_and_merge(shipped, "staging", "v4")
    promote_and_merge(shipped, "prod")
    assert shipped.split("prod") == {"v3": 90, "v4": 10}
    shipped.approve_and_merge(rollback(shipped, "late", "prod", "ada", to=first).number)
    assert shipped.split("prod") == {"v2": 100}
    assert [v.version for v in old_release(shipped).variants] == ["v3"]


def test_going_back_within_a_canary_needs_nobody(context: FakeContext) -> None:
    """A person must say yes to more traffic, not to less."""
    path = "environments/prod/environment.yaml"
    text = context.repository.tree("main").read(path).decode()
    plan = "minimum_requests: 200, person_above: 5"
    context.change_main({path: text.replace("minimum_requests: 200", plan)}, "ask a person")
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    tenth = context.main
    assert pass_canary(context, passes=1) == ["needs approval"]
    context.approve_and_merge(context.forge.find("open")[0].number)
    assert context.split("prod") == {"v2": 50, "v3": 50}
    pull = rollback(context, "late", "prod", "ada", to=tenth)
    assert check_pull_request(context, pull.number, silent).state == "passed"
    context.forge.merge(pull.number, pull.head, "ada")
    assert context.split("prod") == {"v2": 90, "v3": 10}
