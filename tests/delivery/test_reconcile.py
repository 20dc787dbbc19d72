"""Reconciliation: the platform is brought to what main says, model by model."""

from __future__ import annotations

import pytest

from bighead_ci.delivery.advance import advance
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.deliver import deliver
from bighead_ci.delivery.promote import promote
from bighead_ci.delivery.reconcile import Outcome, project_aliases, reconcile, settle
from bighead_ci.delivery.status import model_statuses, status
from bighead_ci.documents.definition import Serving
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext, model_version
from fakes.shipping import merge_promotion, merge_version, pass_canary, promote_and_merge, ship


def release_other(context: FakeContext) -> None:
    """Merge a first release of another model to staging; nobody reconciles."""
    before = context.tip
    context.change_main(model_version("v1", "other"), "another model")
    for promotion in deliver(context, before, silent).promotions:
        context.approve_and_merge(promotion.pull_request.number)


def outcome(context: FakeContext, model: str = "late", environment: str = "staging") -> Outcome:
    """One pass, seen for one model."""
    found = reconcile(context, silent).outcomes
    return next(o for o in found if (o.environment, o.model) == (environment, model))


def models_in_step(context: FakeContext) -> bool:
    """Whether what runs is what main says."""
    return not any(model.differences for model in model_statuses(context, context.main()))


def candidate_artifact(context: FakeContext) -> str:
    """Digest of prod's candidate."""
    release = context.release("prod")
    assert release is not None
    assert release.candidate is not None
    return release.candidate.artifact


def test_every_environment_gets_its_router_even_without_models(context: FakeContext) -> None:
    """The routers are up before the first release."""
    assert reconcile(context, silent).outcomes == []
    assert all(platform.started for platform in context.platforms.values())


def test_a_release_is_started_before_it_gets_traffic(context: FakeContext) -> None:
    """Ready first, then the weights; another pass does nothing."""
    merge_version(context, "v2")
    merge_promotion(context, "staging", "v2")
    assert outcome(context).state == "changed"
    assert [call.split()[0] for call in context.platforms["staging"].calls] == ["ensure", "route"]
    assert context.live("staging") == {"v2": 100}
    assert outcome(context).state == "in step"
    assert len(context.platforms["staging"].calls) == 2
    assert models_in_step(context)


def test_features_are_materialised_before_the_model_starts(context: FakeContext) -> None:
    """The set that the artifact needs is not in the online store yet."""
    merge_version(context, "v2")
    merge_promotion(context, "staging", "v2")
    reconcile(context, silent)
    assert context.offline_store.materialized == ["delays/v1"]


def test_a_variant_is_started_as_its_record_says_that_it_answers(context: FakeContext) -> None:
    """`serving` of the model version that was trained, whatever main's model.yaml says by now."""
    definition = model_version("v2")["models/late/v2/model.yaml"]
    settings = Serving(max_concurrency=7, log_predictions=False)
    serving = "    serving: {max_concurrency: 7, log_predictions: false}\n"
    before = context.tip
    context.change_main({**model_version("v2"), "models/late/v2/model.yaml": definition + serving}, "v2")
    deliver(context, before, silent)
    promote_and_merge(context, "staging", "v2")
    assert [*context.platforms["staging"].settings.values()] == [settings]


def test_models_that_start_at_once_materialise_one_after_the_other(context: FakeContext) -> None:
    """The online store has one writer, and the sources one work tree."""
    merge_version(context, "v2")
    merge_promotion(context, "staging", "v2")
    release_other(context)
    context.offline_store.patience_seconds = 0.5
    result = reconcile(context, silent)
    assert [(o.model, o.state) for o in result.outcomes] == [("late", "changed"), ("other", "changed")]


def test_the_measurement_starts_anew_when_weights_change_only(context: FakeContext) -> None:
    """A pass over what is in step leaves the moment as it is, so a canary's soak goes on."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    since = context.platforms["prod"].since["late"]
    context.clock.forward(100)
    reconcile(context, silent)
    assert context.platforms["prod"].since["late"] == since


def test_a_process_that_died_is_started_again(context: FakeContext) -> None:
    """Main has not moved; what runs has."""
    ship(context, "v2")
    (variant,) = context.platforms["prod"].variants
    context.platforms["prod"].kill(variant)
    assert not models_in_step(context)
    assert outcome(context, environment="prod").state == "changed"
    assert models_in_step(context)


def test_a_variant_that_refuses_to_serve_leaves_the_traffic_as_it_was(context: FakeContext) -> None:
    """A corrupted candidate fails its own model: the old version keeps everything, and the reason is said."""
    ship(context, "v2")
    merge_version(context, "v3", skill=1.2)
    promote_and_merge(context, "staging", "v3")
    merge_promotion(context, "prod")
    context.platforms["prod"].refusals[candidate_artifact(context)] = "digest mismatch"
    found = outcome(context, environment="prod")
    assert (found.state, "digest mismatch" in found.detail) == ("failed", True)
    assert context.live("prod") == {"v2": 100}
    assert not models_in_step(context)
    context.platforms["prod"].refusals.clear()
    assert outcome(context, environment="prod").state == "changed"
    assert context.live("prod") == {"v2": 90, "v3": 10}


def test_a_model_that_fails_does_not_stop_the_others(context: FakeContext) -> None:
    """Another model's release in the same pass goes through."""
    ship(context, "v2")
    merge_version(context, "v3", skill=1.2)
    promote_and_merge(context, "staging", "v3")
    merge_promotion(context, "prod")
    context.platforms["prod"].refusals[candidate_artifact(context)] = "golden mismatch"
    release_other(context)
    result = reconcile(context, silent)
    assert {(o.environment, o.model): o.state for o in result.outcomes} == {
        ("prod", "late"): "failed",
        ("staging", "late"): "in step",
        ("staging", "other"): "changed",
    }
    assert result.failed


@pytest.fixture
def shipped_twice(context: FakeContext) -> FakeContext:
    """v3 serves in staging beside its standby v2."""
    ship(context, "v2")
    merge_version(context, "v3", skill=1.2)
    promote_and_merge(context, "staging", "v3")
    return context


def test_a_pass_does_not_wait_for_what_is_starting(context: FakeContext) -> None:
    """A later pass, after the process got ready, moves the traffic; the process is started once."""
    merge_version(context, "v2")
    merge_promotion(context, "staging", "v2")
    release = context.release("staging")
    assert release is not None
    context.platforms["staging"].slow.add(release.stable.artifact)
    for _ in range(2):
        assert outcome(context).state == "starting"
        assert context.live("staging") == {"v2": 0}
    context.platforms["staging"].slow.clear()
    assert outcome(context).state == "changed"
    assert context.live("staging") == {"v2": 100}
    assert [call.split()[0] for call in context.platforms["staging"].calls] == ["ensure", "route"]


def test_a_revert_takes_effect_while_the_candidate_still_starts(context: FakeContext) -> None:
    """Back to the old version at the next pass, whatever the new one does."""
    ship(context, "v2")
    merge_version(context, "v3", skill=1.2)
    promote_and_merge(context, "staging", "v3")
    before = context.tip
    merge_promotion(context, "prod")
    context.platforms["prod"].slow.add(candidate_artifact(context))
    assert outcome(context, environment="prod").state == "starting"
    path = "environments/prod/late.yaml"
    context.change_main({path: context.repository.tree(before).read(path).decode()}, "revert")
    assert outcome(context, environment="prod").state == "changed"
    assert context.live("prod") == {"v2": 100}
    assert models_in_step(context)


def test_traffic_does_not_wait_for_a_standby(shipped_twice: FakeContext) -> None:
    """A revert brings back a release whose standby must start anew: traffic moves at once, the standby follows."""
    context = shipped_twice
    then = context.repository.tree("main").read("environments/staging/late.yaml").decode()
    standby = context.release("staging")
    assert standby is not None
    assert standby.standby is not None
    merge_version(context, "v4", skill=1.3)
    promote_and_merge(context, "staging", "v4")
    assert context.live("staging") == {"v3": 0, "v4": 100}
    context.change_main({"environments/staging/late.yaml": then}, "revert")
    context.platforms["staging"].slow.add(standby.standby.artifact)
    assert outcome(context).state == "changed"
    assert context.live("staging") == {"v2": 0, "v3": 100}
    assert outcome(context).state == "starting"
    context.platforms["staging"].slow.clear()
    assert outcome(context).state == "in step"
    assert models_in_step(context)


def test_settling_follows_main_while_something_starts(context: FakeContext) -> None:
    """A revert that arrives while a candidate starts ends the wait: it is the newest main that is settled."""
    ship(context, "v2")
    merge_version(context, "v3", skill=1.2)
    promote_and_merge(context, "staging", "v3")
    path = "environments/prod/late.yaml"
    before = context.repository.tree("main").read(path).decode()
    merge_promotion(context, "prod")
    context.platforms["prod"].slow.add(candidate_artifact(context))

    def revert_once_it_starts(line: str) -> None:
        if "starting" in line:
            context.change_main({path: before}, "revert")

    result = settle(context, revert_once_it_starts)
    assert (result.commit, result.starting) == (context.tip, False)
    assert context.live("prod") == {"v2": 100}


def test_the_old_version_stands_by_for_keep_warm_and_then_leaves(context: FakeContext) -> None:
    """A minute in the release without traffic, so that a revert takes effect at once; then the bot retires it."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    assert pass_canary(context, 2) == ["advanced", "advanced"]
    assert context.split("prod") == context.live("prod") == {"v2": 0, "v3": 100}
    context.clock.forward(59)
    advance(context, silent)
    reconcile(context, silent)
    assert context.live("prod") == {"v2": 0, "v3": 100}
    assert models_in_step(context)
    context.clock.forward(1)
    advance(context, silent)
    reconcile(context, silent)
    assert context.split("prod") == context.live("prod") == {"v3": 100}
    assert models_in_step(context)


def test_a_version_replaced_at_once_stands_by_too(context: FakeContext) -> None:
    """Staging takes a new version without a canary; the old one is kept when the new one gets the traffic."""
    ship(context, "v2")
    merge_version(context, "v3", skill=1.2)
    promote_and_merge(context, "staging", "v3")
    assert context.live("staging") == {"v2": 0, "v3": 100}


def test_a_reverted_candidate_does_not_stand_by(context: FakeContext) -> None:
    """What failed is stopped at once."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    assert pass_canary(context, passes=1, errors=500) == ["reverted"]
    assert context.live("prod") == {"v2": 100}


def test_a_model_without_a_release_is_stopped(context: FakeContext) -> None:
    """Its release file leaves main: no traffic, no process."""
    ship(context, "v2")
    context.change_main({"environments/prod/late.yaml": None}, "enough")
    found = outcome(context, environment="prod")
    assert (found.state, found.detail) == ("changed", "no release: stopped")
    assert context.live("prod") == {}
    assert context.live("staging") == {"v2": 100}
    assert models_in_step(context)


def test_the_registry_shows_what_each_environment_serves(context: FakeContext) -> None:
    """Aliases are projected from main: the stable version in a canary, none without a release."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    project_aliases(context)
    staging, prod = context.release("staging"), context.release("prod")
    assert staging is not None
    assert prod is not None
    assert context.records.aliases == {("late", "staging"): staging.stable.run, ("late", "prod"): prod.stable.run}
    context.change_main({"environments/prod/late.yaml": None}, "enough")
    project_aliases(context)
    assert context.records.aliases == {("late", "staging"): staging.stable.run}
    context.change_main({"environments/staging/late.yaml": None}, "enough of it everywhere")
    project_aliases(context)
    assert context.records.aliases == {}


def test_an_unreadable_release_on_main_stops_its_own_model_only(context: FakeContext) -> None:
    """Somebody pushed nonsense past the checks: it is named, its model serves on, the others go their way."""
    ship(context, "v2")
    context.change_main({"environments/prod/late.yaml": "variants: []\n"}, "oops")
    release_other(context)
    found = {(o.environment, o.model): o for o in reconcile(context, silent).outcomes}
    assert found["staging", "other"].state == "changed"
    assert found["prod", "late"].state == "failed"
    assert "environments/prod/late.yaml" in found["prod", "late"].detail
    assert context.live("prod") == {"v2": 100}
    (trouble,) = [m for m in status(context).models if m.differences]
    assert (trouble.environment, trouble.model) == ("prod", "late")
    assert "environments/prod/late.yaml" in trouble.differences[0]


def test_an_unreadable_environment_stops_only_itself(context: FakeContext) -> None:
    """What runs there stays, and says why; the others go on, and status says which is which."""
    ship(context, "v2")
    context.change_main({"environments/staging/environment.yaml": "platform: [\n"}, "oops")
    found = outcome(context)
    assert (found.state, context.live("staging")) == ("failed", {"v2": 100})
    assert outcome(context, environment="prod").state == "in step"
    assert "environments/staging/environment.yaml" in found.detail
    (trouble,) = [m for m in status(context).models if m.differences]
    assert trouble.environment == "staging"
    assert trouble.differences[0].startswith("its environment cannot be read")
    (failure,) = deliver(context, context.tip, silent).failures
    assert (failure.about, failure.remedy) == ("staging", "mend")
    assert "environments/staging/environment.yaml" in failure.message


def test_a_pull_request_mends_an_unreadable_environment(context: FakeContext) -> None:
    """It is judged and merged like any other, and prod is looked after meanwhile."""
    ship(context, "v2")
    path = "environments/staging/environment.yaml"
    good = context.repository.tree(context.tip).read(path).decode()
    context.change_main({path: "platform: [\n"}, "oops")
    (model,) = context.platforms["prod"].observe()
    context.platforms["prod"].kill(model.variants[0].name)
    reconcile(context, silent)
    assert context.platforms["prod"].observe()[0].variants[0].state == "ready"
    pull = context.propose("mend", {path: good})
    report = check_pull_request(context, pull.number, silent)
    assert (report.problems, report.state) == ([], "passed")
    assert context.approve_and_merge(pull.number).state == "merged"


def test_an_environment_that_cannot_start_stops_only_itself(context: FakeContext) -> None:
    """Its port is taken: it says so as a whole, the others are brought to what main says."""
    merge_version(context, "v2")
    merge_promotion(context, "staging", "v2")
    context.platforms["prod"].taken = "pid 7 (somebody)"
    found = {(o.environment, o.model): o for o in reconcile(context, silent).outcomes}
    assert (found["prod", ""].state, found["prod", ""].where) == ("failed", "prod")
    assert "pid 7 (somebody)" in found["prod", ""].detail
    assert context.live("staging") == {"v2": 100}
    skipped = reconcile(context, silent, skip={("prod", "")})
    assert [o.environment for o in skipped.outcomes] == ["staging"]


def test_an_environment_that_leaves_main_is_stopped(context: FakeContext) -> None:
    """Until then `status` says that it runs and should not; nothing runs that main does not name."""
    ship(context, "v2")
    gone = {f"environments/prod/{name}.yaml": None for name in ("environment", "late")}
    context.change_main(gone, "prod is given up")
    assert {m.environment: m.differences for m in status(context).models}["prod"][0].endswith("runs and should not")
    result = reconcile(context, silent)
    assert [o.detail for o in result.outcomes if o.environment == "prod"] == ["no such environment: stopped"]
    assert not context.platforms["prod"].in_use()
    assert context.live("staging") == {"v2": 100}
    assert models_in_step(context)
    assert [o.environment for o in reconcile(context, silent).outcomes] == ["staging"]


def test_releases_whose_environment_is_missing_stay_as_they_are(context: FakeContext) -> None:
    """Half of a removal is a mistake to be mended, not a reason to stop what serves."""
    ship(context, "v2")
    context.change_main({"environments/prod/environment.yaml": None}, "oops")
    found = outcome(context, environment="prod")
    assert (found.state, context.live("prod")) == ("failed", {"v2": 100})
    assert "environments/prod/environment.yaml: is missing" in found.detail


def test_nothing_is_promoted_over_an_unreadable_release(context: FakeContext) -> None:
    """What serves is unknown, so nobody may decide what follows."""
    ship(context, "v2")
    context.change_main({"environments/prod/late.yaml": "variants: []\n"}, "oops")
    with pytest.raises(InputError, match=r"environments/prod/late\.yaml"):
        promote(context, "late", "prod", "v2")


def test_a_pull_request_mends_an_unreadable_release(context: FakeContext) -> None:
    """The way back from nonsense on main is a pull request like any other."""
    ship(context, "v2")
    path = "environments/prod/late.yaml"
    good = context.repository.tree(context.tip).read(path).decode()
    context.change_main({path: "variants: []\n"}, "oops")
    pull = context.propose("mend", {path: good})
    report = check_pull_request(context, pull.number, silent)
    assert (report.problems, report.state) == ([], "passed")


def test_what_was_changed_by_hand_is_said_and_put_back(context: FakeContext) -> None:
    """Variants and weights are as main says; the rest of what it has rendered is not."""
    ship(context, "v2")
    settle(context, silent)
    context.platforms["staging"].drifted["late"] = ["Deployment late-v2: spec.replicas is 3, main says 1"]
    differences = {(m.environment, m.model): m.differences for m in model_statuses(context, context.main())}
    assert differences["staging", "late"] == ["Deployment late-v2: spec.replicas is 3, main says 1"]
    found = outcome(context)
    assert found.state == "changed"
    assert "replicas is 3" in found.detail
    assert outcome(context).state == "in step"


def test_an_environment_that_does_not_answer_stops_no_other(context: FakeContext) -> None:
    """It is left as it is, and status says so; once it answers again it is brought on."""
    ship(context, "v2")
    settle(context, silent)
    context.platforms["staging"].away = True
    found = reconcile(context, silent)
    assert [(o.environment, o.model) for o in found.outcomes if o.state == "failed"] == [("staging", "")]
    assert [o.environment for o in found.outcomes if o.state == "in step"] == ["prod"]
    (gone,) = [m for m in model_statuses(context, context.main()) if m.environment == "staging"]
    assert gone.differences == ["its environment does not answer: staging does not answer"]
    context.platforms["staging"].away = False
    assert outcome(context).state == "in step"
