"""Promotion: the pull request that brings a model version into an environment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bighead_ci.definitions.loading import load_feature_set
from bighead_ci.definitions.release_file import render_release
from bighead_ci.delivery.approvals import review
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.deliver import deliver
from bighead_ci.delivery.merge import merge_pull_request
from bighead_ci.delivery.promote import promote
from bighead_ci.delivery.reach import reach
from bighead_ci.delivery.release_pr import release_branch
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.errors import InputError, RetryError
from bighead_ci.features.meaning import features_of
from bighead_ci.ports.progress import silent
from bighead_ci.reporting.promotion import promotion_markdown
from fakes.context import FakeContext, model_version
from fakes.engine import MemoryEngine
from fakes.shipping import merge_version, pass_canary, promote_and_merge, ship


def test_a_first_release_gets_all_the_traffic(context: FakeContext) -> None:
    """Nothing serves yet, so there is nothing to compare with: one variant, with what its record holds."""
    merge_version(context, "v2")
    promote_and_merge(context, "staging", "v2")
    release = context.release("staging")
    record = context.records.by_run("run0")
    assert release is not None
    assert record is not None
    assert context.split("staging") == {"v2": 100}
    assert (release.stable.artifact, release.stable.image) == (record.artifact, record.image)
    assert release.stable.commit == record.commit


def test_a_second_version_starts_as_a_canary_with_the_first_step(context: FakeContext) -> None:
    """Prod's plan begins at 10 %; the old version keeps the rest."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    assert context.split("prod") == {"v2": 90, "v3": 10}
    assert context.live("prod") == {"v2": 90, "v3": 10}


def test_without_a_version_what_serves_in_the_environment_before_is_promoted(context: FakeContext) -> None:
    """The very same image and artifact go on, not a rebuild."""
    ship(context, "v2")
    staging, prod = context.release("staging"), context.release("prod")
    assert staging is not None
    assert prod is not None
    assert prod.stable == staging.stable


def test_a_canary_in_the_environment_before_is_what_goes_on(context: FakeContext) -> None:
    """Without a version, the newest that serves there, though it has only part of the traffic."""
    path = "environments/staging/environment.yaml"
    text = context.repository.tree("main").read(path).decode()
    context.change_main({path: text.replace("steps: [100]", "steps: [50, 100]")}, "a canary in staging too")
    ship(context, "v2")
    merge_version(context, "v3", skill=1.2)
    promote_and_merge(context, "staging", "v3")
    assert context.split("staging") == {"v2": 50, "v3": 50}
    promotion = promote(context, "late", "prod")
    assert promotion is not None
    assert "v2 → v3 (canary 10 %)" in promotion.pull_request.title


def test_a_newer_promotion_supersedes_the_open_one(context: FakeContext) -> None:
    """One pull request a model and environment: it keeps its number and gets a new head."""
    merge_version(context, "v2")
    first = promote(context.acting("ada"), "late", "staging", "v2")
    merge_version(context, "v3")
    second = promote(context.acting("ada"), "late", "staging", "v3")
    assert first is not None
    assert second is not None
    assert second.pull_request.number == first.pull_request.number
    assert second.pull_request.head != first.pull_request.head
    assert "v3" in second.pull_request.title
    assert [p.source for p in context.forge.find("open")] == [release_branch("staging", "late")]


def test_an_approval_of_a_superseded_promotion_does_not_count(context: FakeContext) -> None:
    """Who approved v2 has not approved v3."""
    merge_version(context, "v2")
    first = promote(context.acting("ada"), "late", "staging", "v2")
    assert first is not None
    review(context.acting("grace"), first.pull_request.number, approved=True)
    merge_version(context, "v3")
    second = promote(context.acting("ada"), "late", "staging", "v3")
    assert second is not None
    assert check_pull_request(context, second.pull_request.number, silent).state == "passed"
    with pytest.raises(InputError, match="bighead/approvals"):
        merge_pull_request(context.acting("grace"), second.pull_request.number)


def test_a_promotion_is_refused_while_a_canary_is_under_way(context: FakeContext) -> None:
    """The refusal names the canary and the commands that end it."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    merge_version(context, "v4", skill=1.3)
    promote_and_merge(context, "staging", "v4")
    with pytest.raises(InputError, match=r"canary of v3-\w+ is under way at 10 %.*bighead rollback"):
        promote(context, "late", "prod")


def test_a_version_without_a_record_is_refused(context: FakeContext) -> None:
    """v1 is on main, but its checks never ran."""
    with pytest.raises(InputError, match="late/v1 has no record"):
        promote(context, "late", "staging", "v1")


def test_a_version_that_is_not_on_main_is_refused(context: FakeContext) -> None:
    """The refusal says which versions there are."""
    with pytest.raises(InputError, match="late/v1"):
        promote(context, "late", "staging", "v9")


def test_an_environment_that_does_not_exist_is_refused(context: FakeContext) -> None:
    """The refusal names the environments there are."""
    with pytest.raises(InputError, match="'production'; environments: prod, staging"):
        promote(context, "late", "production")


def test_nothing_is_promoted_from_an_environment_that_serves_nothing(context: FakeContext) -> None:
    """The refusal names the environment before."""
    with pytest.raises(InputError, match="no version serving in staging"):
        promote(context, "late", "prod")


def test_what_serves_already_is_not_promoted_again(context: FakeContext) -> None:
    """No pull request is opened."""
    ship(context, "v2")
    before = len(context.forge.pulls)
    assert promote(context, "late", "prod") is None
    assert promote(context, "late", "staging", "v2") is None
    assert len(context.forge.pulls) == before


def test_prod_takes_only_what_serves_in_staging(context: FakeContext) -> None:
    """The report of a promotion that leaves out staging says which gate fails and what to do."""
    merge_version(context, "v2")
    promotion = promote(context, "late", "prod", "v2")
    assert promotion is not None
    assert [gate for gate, _ in promotion.report.verdict.failures] == ["served_before"]
    assert "promote to the environment before first" in context.forge.get(promotion.pull_request.number).body


def test_the_second_of_two_promotions_by_hand_is_refused_naming_the_file(context: FakeContext) -> None:
    """Two branches bring in different versions from the same main: the second does not merge over the first."""
    ship(context, "v2")
    merge_version(context, "v3", skill=1.2)
    merge_version(context, "v4", skill=1.3)
    releases = {}
    for version in ("v3", "v4"):
        promotion = promote(context.acting("ada"), "late", "staging", version)
        assert promotion is not None
        tree = context.repository.tree(promotion.pull_request.head)
        releases[version] = tree.read("environments/staging/late.yaml").decode()
    first, second = (context.propose(v, {"environments/staging/late.yaml": text}) for v, text in releases.items())
    context.approve_and_merge(first.number)
    with pytest.raises(InputError, match=r"environments/staging/late\.yaml: conflict"):
        context.approve_and_merge(second.number)
    assert context.split("staging") == {"v2": 0, "v3": 100}


def test_a_promotion_that_brings_a_canary_plan_of_its_own_is_refused(context: FakeContext) -> None:
    """All traffic at once in prod takes a change of the environment, not of the release."""
    ship(context, "v2")
    merge_version(context, "v3", skill=1.2)
    promote_and_merge(context, "staging", "v3")
    staging = context.release("staging")
    assert staging is not None
    pull = context.propose("at-once", {"environments/prod/late.yaml": render_release(staging)})
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert "canary plan of environments/prod/environment.yaml" in report.problems[0]


def test_a_delivery_opens_the_first_promotion_once(context: FakeContext) -> None:
    """Run again for the same commits: the same pull request; once it is merged, none."""
    before = context.tip
    merge_version(context, "v2")
    assert [p.title for p in context.forge.find("open")] == ["promote late in staging: v2 is the first to serve"]
    again = deliver(context, before, silent)
    assert [p.pull_request.number for p in again.promotions] == [context.forge.find("open")[0].number]
    assert len(context.forge.find("open")) == 1
    context.approve_and_merge(again.promotions[0].pull_request.number)
    assert deliver(context, before, silent).promotions == []
    assert context.forge.find("open") == []
    assert context.orchestrator.trained == ["models/late/v2"]


def test_a_delivery_from_long_ago_takes_no_environment_back(context: FakeContext) -> None:
    """From the first commit on it makes the records that are missing; older versions are not promoted again."""
    first = context.repository.log("main")[-1].id
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    pass_canary(context)
    assert deliver(context, first, silent).promotions == []
    assert context.forge.find("open") == []
    assert context.orchestrator.trained[-1] == "models/late/v1"


def test_the_newest_artifact_of_a_version_is_promoted(context: FakeContext) -> None:
    """After a retraining what served before stands by in staging, of the same version: it is not what is meant."""
    ship(context, "v2")
    before = context.tip
    path = "models/late/v2/run.yaml"
    text = context.repository.tree("main").read(path).decode()
    context.change_main({path: text.replace("2013-10-01", "2013-11-01")}, "retrained")
    context.orchestrator.skill["models/late/v2"] = 1.3
    (promotion,) = deliver(context, before, silent).promotions
    retrained = promotion.report.artifact
    context.approve_and_merge(promotion.pull_request.number)
    staging = context.release("staging")
    assert staging is not None
    assert [(v.version, v.weight) for v in staging.variants] == [("v2", 0), ("v2", 100)]
    for version in (None, "v2"):
        again = promote(context.acting("ada"), "late", "prod", version)
        assert again is not None
        assert again.report.artifact == retrained
        old, new = (variant.name for variant in staging.variants)
        assert again.pull_request.title == f"promote late in prod: {old} → {new} (canary 10 %)"


def test_a_record_is_found_after_the_engine_was_upgraded(context: FakeContext) -> None:
    """What a pull request judged stays judged: its merge trains nothing, and its promotion names that record."""
    before = context.tip
    pull = context.propose("late-v2", model_version("v2"))
    record = check_pull_request(context, pull.number, silent).models[0].record
    context.approve_and_merge(pull.number)
    context.upgrade_engine(MemoryEngine().edited("errors.py"))
    (promotion,) = deliver(context, before, silent).promotions
    assert promotion.report.record == record
    assert context.orchestrator.trained == ["models/late/v2"]
    again = promote(context, "late", "staging", "v2")
    assert again is not None
    assert again.report.record == record


def test_a_record_is_found_after_an_upgrade_though_a_description_changed(context: FakeContext) -> None:
    """What counts is what the files mean to the engine, not their bytes."""
    before = context.tip
    pull = context.propose("late-v2", model_version("v2"))
    record = check_pull_request(context, pull.number, silent).models[0].record
    context.approve_and_merge(pull.number)
    path = "models/late/v2/model.yaml"
    text = context.repository.tree("main").read(path).decode()
    context.change_main({path: text.replace("owner: flights", "owner: others")}, "others own it")
    context.engine = MemoryEngine().edited("errors.py")
    (promotion,) = deliver(context, before, silent).promotions
    assert promotion.report.record == record
    assert context.orchestrator.trained == ["models/late/v2"]


def test_a_changed_source_is_not_what_was_judged(context: FakeContext) -> None:
    """Another engine is no excuse: data that moved on makes another record."""
    before = context.tip
    pull = context.propose("late-v2", model_version("v2"))
    check_pull_request(context, pull.number, silent)
    context.approve_and_merge(pull.number)
    lock = context.repository.tree("main").read("dvc.lock").decode()
    context.change_main({"dvc.lock": lock.replace("md5: aaaa", "md5: bbbb")}, "newer data")
    context.upgrade_engine(MemoryEngine().edited("errors.py"))
    deliver(context, before, silent)
    assert context.orchestrator.trained.count("models/late/v2") == 2


def test_of_several_versions_a_delivery_promotes_the_newest(context: FakeContext) -> None:
    """v10 is newer than v9, whatever the alphabet says."""
    before = context.tip
    context.change_main({**model_version("v9"), **model_version("v10")}, "two at once")
    (promotion,) = deliver(context, before, silent).promotions
    assert "v10" in promotion.pull_request.title
    assert sorted(context.orchestrator.trained) == ["models/late/v10", "models/late/v9"]


def test_a_model_that_cannot_be_delivered_holds_up_no_other(context: FakeContext) -> None:
    """A canary of `late` is under way in staging, so v4 cannot go there yet: that is said, and `later` is promoted."""
    path = "environments/staging/environment.yaml"
    text = context.repository.tree("main").read(path).decode()
    context.change_main({path: text.replace("steps: [100]", "steps: [50, 100]")}, "a canary in staging too")
    for version in ("v2", "v3"):
        merge_version(context, version)
        promote_and_merge(context, "staging", version)
    before = context.tip
    context.change_main({**model_version("v4"), **model_version("v1", "later")}, "two models at once")
    delivery = deliver(context, before, silent)
    (failure,) = delivery.failures
    assert (failure.about, failure.remedy) == ("staging/late", "mend")
    assert "canary of v3" in failure.message
    assert [p.pull_request.title for p in delivery.promotions] == ["promote later in staging: v1 is the first to serve"]
    assert [p.title for p in context.forge.find("open")] == ["promote later in staging: v1 is the first to serve"]


def test_a_model_that_cannot_be_read_holds_up_no_other(context: FakeContext) -> None:
    """Somebody pushed nonsense past the checks: it is named, and the other model that came with it is delivered."""
    before = context.tip
    broken = model_version("v4") | {"models/late/v4/model.yaml": "task: [\n"}
    context.change_main({**broken, **model_version("v1", "later")}, "two models at once")
    delivery = deliver(context, before, silent)
    assert [(failure.about, failure.remedy) for failure in delivery.failures] == [("late", "mend")]
    assert "models/late/v4/model.yaml" in delivery.failures[0].message
    assert [p.pull_request.title for p in delivery.promotions] == ["promote later in staging: v1 is the first to serve"]


def test_each_model_that_fails_says_what_helps(context: FakeContext) -> None:
    """One model's disk is full and another's code is wrong: the one is tried again, the other is mended."""
    before = context.tip
    context.change_main({**model_version("v4"), **model_version("v1", "later")}, "two models at once")

    def failing(directory: str) -> None:
        if "later" in directory:
            raise RetryError("the disk is full")
        raise InputError("the code is wrong")

    context.orchestrator.before = failing
    failures = deliver(context, before, silent).failures
    assert [(failure.about, failure.remedy, failure.message) for failure in failures] == [
        ("late", "mend", "the code is wrong"),
        ("later", "retry", "the disk is full"),
    ]
    context.orchestrator.before = lambda _: None
    assert len(deliver(context, before, silent).promotions) == 2


def test_a_delivery_opens_no_promotion_again_that_somebody_closed(context: FakeContext) -> None:
    """A person said no; another artifact, or a person who promotes it, is another question."""
    before = context.tip
    merge_version(context, "v2")
    (pull,) = context.forge.find("open")
    context.forge.close(pull.number)
    said: list[str] = []
    assert deliver(context, before, said.append).promotions == []
    assert context.forge.find("open") == []
    assert any(f"closed its promotion to staging, #{pull.number}" in line for line in said)
    assert promote(context, "late", "staging", "v2") is not None
    assert len(context.forge.find("open")) == 1


def test_a_closed_promotion_holds_up_no_newer_version(context: FakeContext) -> None:
    """What was closed was about another artifact."""
    merge_version(context, "v2")
    context.forge.close(context.forge.find("open")[0].number)
    merge_version(context, "v3", skill=1.2)
    assert [p.title for p in context.forge.find("open")] == ["promote late in staging: v3 is the first to serve"]


def test_of_two_promotions_at_once_the_text_is_that_of_the_head(
    context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that lost the branch is told to try again instead of writing its gates over the other's release."""
    merge_version(context, "v2")
    merge_version(context, "v3", skill=1.2)
    forge_open = context.forge.open

    def late(*arguments: Any) -> PullRequestSummary:
        monkeypatch.setattr(context.forge, "open", forge_open)
        promote(context.acting("eve"), "late", "staging", "v3")
        return forge_open(*arguments)

    monkeypatch.setattr(context.forge, "open", late)
    with pytest.raises(RetryError, match="moved it first"):
        promote(context.acting("ada"), "late", "staging", "v2")
    (pull,) = context.forge.find("open")
    assert "v3" in pull.title
    assert "late/v3" in context.forge.get(pull.number).body


def test_a_version_that_only_stands_by_can_be_promoted_again(context: FakeContext) -> None:
    """Without traffic it does not serve."""
    ship(context, "v2")
    merge_version(context, "v3", skill=1.2)
    promote_and_merge(context, "staging", "v3")
    promote_and_merge(context, "staging", "v2")
    assert context.split("staging") == {"v3": 0, "v2": 100}


def test_a_promotion_whose_features_would_all_be_null_warns(context: FakeContext) -> None:
    """The report has the newest row, the moment, and found features of how many; gates judge as before."""
    merge_version(context, "v2")
    done = promote(context, "late", "staging", "v2")
    assert done is not None
    (found,) = done.report.reaches
    assert (found.newest, found.moment, found.reached) == (None, context.data_clock.now(), 0)
    text = promotion_markdown(done.report, pictures=False)
    assert f"**Features without data**: 0 of {found.features} would be found" in text
    assert f"`{found.set}`: no row is known; at 2013-10-01 21:00 UTC" in text
    assert done.report.verdict.passed


def test_windows_that_reach_a_row_are_counted(context: FakeContext) -> None:
    """From the left end of a window, floored to its hop; no warning where one reaches."""
    loaded = load_feature_set(context.main().tree, "delays", "v1")
    moment = context.data_clock.now()
    windows = sorted({feature.window for feature in features_of(loaded)})
    inside, outside = (moment - timedelta(microseconds=windows[-1] * factor) for factor in (0.5, 2))
    assert reach(loaded, None, inside, moment).reached >= 1
    assert reach(loaded, None, outside, moment).reached == 0
    assert reach(loaded, None, moment, moment).reached == len(features_of(loaded))
