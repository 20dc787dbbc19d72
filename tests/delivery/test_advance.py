"""Canary analysis, pass by pass: it waits, goes on, asks a person, or takes the canary back."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from bighead_ci.definitions.release_file import render_release
from bighead_ci.delivery.advance import CanaryPass, Step, advance
from bighead_ci.delivery.approvals import review
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.checks import CI
from bighead_ci.delivery.merge import merge_pull_request
from bighead_ci.delivery.post import REPORT
from bighead_ci.delivery.reconcile import reconcile
from bighead_ci.delivery.report_files import PROMOTION_FILE, directory_of
from bighead_ci.delivery.rollback import rollback
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.forge import BOT
from bighead_ci.documents.release import process_name
from bighead_ci.documents.report import PromotionReport
from bighead_ci.errors import InputError, RetryError
from bighead_ci.planning.releases import advanced
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext, model_version
from fakes.placed_releases import ENVIRONMENT as CLUSTER
from fakes.shipping import pass_canary, promote_and_merge, ship, traffic


@pytest.fixture
def canary(context: FakeContext) -> FakeContext:
    """v2 serves in prod, a canary of v3 has 10 %."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    return context


def only_step(context: FakeContext) -> Step:
    """One pass over the one canary of prod; staging only keeps its standby."""
    steps = {(step.environment, step.model): step for step in advance(context, silent).steps}
    assert steps.keys() <= {("staging", "late"), ("prod", "late")}
    return steps["prod", "late"]


def ask_above(context: FakeContext, weight: int) -> None:
    """Steps above the weight need a person in prod; then v2 serves there, and a canary of v3 has 10 %."""
    path = "environments/prod/environment.yaml"
    text = context.repository.tree("main").read(path).decode()
    plan = f"minimum_requests: 200, person_above: {weight}"
    context.change_main({path: text.replace("minimum_requests: 200", plan)}, "ask a person")
    ship(context, "v2")
    ship(context, "v3", skill=1.2)


def next_step(context: FakeContext) -> str:
    """The release file that an advance would write."""
    release = context.release("prod")
    assert release is not None
    return render_release(advanced(release))


def test_nothing_happens_without_a_canary(context: FakeContext) -> None:
    """A version that serves alone is not analysed."""
    ship(context, "v2")
    assert advance(context, silent) == CanaryPass(steps=[], failures=[])


@pytest.mark.parametrize(("seconds", "requests"), [(7, 1000), (60, 199)])
def test_a_canary_waits_until_soak_and_requests_are_there(canary: FakeContext, seconds: float, requests: int) -> None:
    """Eight seconds and 200 requests are prod's plan; one of them is not enough."""
    canary.clock.forward(seconds)
    traffic(canary, requests)
    before = canary.tip
    step = only_step(canary)
    assert step.action == "waits"
    assert f"{requests} of 200 requests" in step.detail
    assert canary.tip == before
    assert canary.forge.find("open") == []


@pytest.fixture
def resting(context: FakeContext) -> FakeContext:
    """Where versions come in without traffic: v2 serves in prod, and v3 was just promoted beside it."""
    context.change_main(
        {"environments/prod/environment.yaml": yaml.safe_dump(CLUSTER | {"promotes_from": "staging"})},
        "prod is on a cluster",
    )
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    return context


def test_a_version_gets_its_first_traffic_once_it_is_ready(resting: FakeContext) -> None:
    """By a commit of its own, whatever it has answered: nothing was asked of it yet."""
    release = resting.release("prod")
    assert release is not None
    assert [variant.weight for variant in release.variants] == [100, 0]
    step = only_step(resting)
    assert (step.action, step.detail) == ("advanced", "v3 0 % → 10 %")
    assert resting.forge.get(step.pull_request or 0).summary.state == "merged"
    reconcile(resting, silent)
    assert only_step(resting).action == "waits"


def test_a_version_that_is_not_ready_gets_no_traffic(resting: FakeContext) -> None:
    """It waits, and says for what."""
    release = resting.release("prod")
    assert release is not None
    resting.platforms["prod"].kill(process_name("late", release.newest))
    before = resting.tip
    step = only_step(resting)
    assert (step.action, resting.tip) == ("waits", before)
    assert "v3 is not ready" in step.detail


def test_a_passing_canary_goes_to_the_next_step_by_a_merged_pull_request(canary: FakeContext) -> None:
    """The bot opens and merges it; no person is needed, and the body has the analysis."""
    canary.clock.forward(8)
    traffic(canary, 200)
    step = only_step(canary)
    assert step.action == "advanced"
    assert canary.split("prod") == {"v2": 50, "v3": 50}
    assert step.pull_request is not None
    pull = canary.forge.get(step.pull_request)
    assert (pull.state, pull.author, pull.approvals()) == ("merged", BOT, [])
    assert "canary_errors" in pull.body
    assert "10 % → 50 %" in pull.title
    report = PromotionReport.read(directory_of(canary, pull.number, pull.head) / PROMOTION_FILE)
    assert (report.move, report.weight_after, report.analysis is not None) == ("advance", 50, True)
    assert canary.renderer.promotion_markdown(report) == pull.body


def test_weights_that_are_not_yet_in_force_are_waited_for(canary: FakeContext) -> None:
    """Main says 50 %, the router still gives 10 %: the old figures say nothing about the new step."""
    canary.clock.forward(8)
    traffic(canary, 200)
    assert only_step(canary).action == "advanced"
    step = only_step(canary)
    assert (step.action, step.detail) == ("waits", "v2 is not yet at 50 %")
    reconcile(canary, silent)
    canary.clock.forward(8)
    traffic(canary, 200)
    assert only_step(canary).action == "advanced"


def test_each_step_soaks_anew(canary: FakeContext) -> None:
    """The time of the step before does not count."""
    canary.clock.forward(600)
    traffic(canary, 200)
    assert only_step(canary).action == "advanced"
    reconcile(canary, silent)
    assert only_step(canary).action == "waits"


def test_at_full_traffic_the_old_version_retires(canary: FakeContext) -> None:
    """50, 100, and then v3 serves alone; then there is nothing left to do."""
    assert pass_canary(canary, passes=4) == ["advanced", "advanced", "retired"]
    assert canary.split("prod") == canary.live("prod") == {"v3": 100}


def test_a_step_above_person_above_waits_for_a_person(context: FakeContext) -> None:
    """The pull request stays open until it is approved; further passes open no other."""
    ask_above(context, 50)
    assert pass_canary(context, passes=3) == ["advanced", "needs approval", "needs approval"]
    assert context.split("prod") == {"v2": 50, "v3": 50}
    (pull,) = context.forge.find("open")
    context.forge.set_check(pull.head, CI, "success", "passed", context.tip)
    with pytest.raises(InputError, match="bighead/approvals"):
        merge_pull_request(context.acting(BOT), pull.number)
    context.approve_and_merge(pull.number)
    reconcile(context, silent)
    assert context.split("prod") == {"v2": 0, "v3": 100}
    assert pass_canary(context, passes=1) == ["retired"]


def test_an_approved_step_is_merged_by_the_next_pass(context: FakeContext) -> None:
    """A person's approval is enough; the bot does the rest, after judging again."""
    ask_above(context, 10)
    assert pass_canary(context, passes=1) == ["needs approval"]
    (pull,) = context.forge.find("open")
    review(context.acting("grace"), pull.number, approved=True)
    assert pass_canary(context, passes=1) == ["advanced"]
    assert context.split("prod") == {"v2": 50, "v3": 50}


def test_a_failing_canary_is_taken_back_with_its_reasons(canary: FakeContext) -> None:
    """After fifty requests, without waiting for the soak: the release is what it was before the canary."""
    before = canary.release("prod")
    assert before is not None
    traffic(canary, 50, errors=10)
    step = only_step(canary)
    assert step.action == "reverted"
    assert "the new version answers with more errors than the old one" in step.detail
    assert step.pull_request is not None
    pull = canary.forge.get(step.pull_request)
    assert pull.state == "merged"
    assert "canary_errors" in pull.body
    assert "the new version answers with more errors than the old one" in pull.body
    report = PromotionReport.read(directory_of(canary, pull.number, pull.head) / PROMOTION_FILE)
    assert not report.verdict.passed
    assert canary.renderer.promotion_markdown(report) == pull.body
    release = canary.release("prod")
    assert release is not None
    assert canary.split("prod") == {"v2": 100}
    assert release.stable.artifact == before.stable.artifact
    reconcile(canary, silent)
    assert canary.live("prod") == {"v2": 100}


@pytest.mark.parametrize(
    ("gate", "odd"),
    [
        ("canary_errors", {"errors": 40}),
        ("canary_latency", {"seconds": 0.5}),
        ("canary_scores", {"shifted": True}),
        ("canary_scores", {"nulls": 180}),
    ],
)
def test_every_gate_of_a_canary_can_take_it_back(canary: FakeContext, gate: str, odd: dict[str, Any]) -> None:
    """Errors, slow answers, scores off their evaluation, inputs that turned null."""
    traffic(canary, 200, **odd)
    step = only_step(canary)
    assert step.action == "reverted"
    assert step.detail.startswith(gate)


def test_few_bad_requests_are_no_reason_yet(canary: FakeContext) -> None:
    """Under fifty requests nothing is decided."""
    traffic(canary, 49, errors=49)
    assert only_step(canary).action == "waits"


def test_errors_at_full_traffic_still_take_the_canary_back(canary: FakeContext) -> None:
    """At 100 % the old version stands by with weight 0 and takes the traffic back."""
    assert pass_canary(canary, passes=2) == ["advanced", "advanced"]
    assert canary.split("prod") == {"v2": 0, "v3": 100}
    assert pass_canary(canary, passes=1, errors=300) == ["reverted"]
    assert canary.split("prod") == {"v2": 100}
    assert canary.live("prod") == {"v2": 100}


@pytest.mark.parametrize(
    ("gate", "odd"),
    [("canary_latency", {"seconds": 0.5}), ("canary_scores", {"nulls": 8_000})],
)
def test_slow_answers_and_nulls_take_a_canary_back_at_full_traffic(
    canary: FakeContext, gate: str, odd: dict[str, Any]
) -> None:
    """What the old version did in the step before is what the new one is held against."""
    assert pass_canary(canary, passes=2) == ["advanced", "advanced"]
    traffic(canary, 9_000, **odd)
    step = only_step(canary)
    assert (step.action, step.detail.split(":")[0]) == ("reverted", gate)
    assert step.pull_request is not None
    report = canary.forge.get(step.pull_request).body
    assert "stable v2, the step before" in report


def test_scores_of_another_moment_take_no_canary_back(canary: FakeContext) -> None:
    """Alone with all the traffic it scores another world than the old version did in the step before."""
    assert pass_canary(canary, passes=2) == ["advanced", "advanced"]
    canary.clock.forward(60)
    traffic(canary, 9_000, shifted=True)
    assert only_step(canary).action == "retired"


def test_a_reverted_version_can_be_promoted_again(canary: FakeContext) -> None:
    """A revert is a pull request like any other, not a ban."""
    traffic(canary, 50, errors=10)
    assert only_step(canary).action == "reverted"
    reconcile(canary, silent)
    promote_and_merge(canary, "prod")
    assert canary.split("prod") == {"v2": 90, "v3": 10}


def test_a_canary_whose_record_is_gone_is_not_judged(canary: FakeContext) -> None:
    """No evidence is an error that names the run, not a pass."""
    release = canary.release("prod")
    assert release is not None
    assert release.candidate is not None
    del canary.records._records[release.candidate.run]
    failures = {failure.about: failure for failure in advance(canary, silent).failures}
    assert failures["prod/late"].remedy == "mend"
    assert release.candidate.run in failures["prod/late"].message


def test_main_moving_under_a_pass_is_a_reason_to_try_again(
    canary: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's branch update between opening and merging: RetryError, and the next pass goes through."""
    merge = canary.forge.merge

    def moved(number: int, head: str, onto: str) -> object:
        monkeypatch.setattr(canary.forge, "merge", merge)
        raise RetryError(f"#{number} is no longer at {head} for {onto}")

    monkeypatch.setattr(canary.forge, "merge", moved)
    canary.clock.forward(60)
    traffic(canary, 200)
    assert [(failure.about, failure.remedy) for failure in advance(canary, silent).failures] == [("prod/late", "retry")]
    assert canary.split("prod") == {"v2": 90, "v3": 10}
    assert only_step(canary).action == "advanced"
    assert len([p for p in canary.forge.find() if "50 %" in p.title]) == 1


def test_a_step_by_hand_is_refused_before_the_present_one_is_over(canary: FakeContext) -> None:
    """Gates that pass so far do not make up for soak and requests."""
    traffic(canary, 60)
    pull = canary.propose("too-soon", {"environments/prod/late.yaml": next_step(canary)})
    report = check_pull_request(canary, pull.number, silent)
    assert report.plan is not None
    assert [change.move for change in report.plan.releases] == ["advance"]
    assert report.state == "invalid"
    assert "environments/prod/late.yaml: variants: the canary's present step is not over" in report.problems[0]
    assert "60 of 200 requests" in report.problems[0]


def test_a_step_by_hand_is_judged_like_one_by_the_bot(canary: FakeContext) -> None:
    """With the analysis as it is now: it passes when the step is over, and fails with the gates' reasons."""
    canary.clock.forward(60)
    traffic(canary, 200)
    pull = canary.propose("by-hand", {"environments/prod/late.yaml": next_step(canary)})
    assert check_pull_request(canary, pull.number, silent).state == "passed"
    traffic(canary, 1000, shifted=True)
    assert check_pull_request(canary, pull.number, silent).state == "failed"
    comment = canary.forge.get(pull.number).comment(REPORT)
    assert comment is not None
    assert "canary_scores" in comment.body


def test_a_step_that_waits_for_a_person_has_passed_its_check(context: FakeContext) -> None:
    """Who is asked for an approval sees the analysis and a green check, not missing evidence."""
    ask_above(context, 10)
    assert pass_canary(context, passes=1) == ["needs approval"]
    (pull,) = context.forge.find("open")
    assert check_pull_request(context, pull.number, silent).state == "passed"
    body = context.forge.get(pull.number).body
    assert "canary_errors" in body
    assert "missing" not in body


def test_a_canary_does_not_go_on_over_a_rollback_that_is_open(canary: FakeContext) -> None:
    """Somebody wants it back: the bot neither takes their pull request's place nor gives the candidate more."""
    pull = rollback(canary.acting("oncall"), "late", "prod")
    canary.clock.forward(60)
    traffic(canary, 1000)
    step = only_step(canary)
    assert (step.action, step.pull_request) == ("waits", pull.number)
    assert canary.forge.get(pull.number).summary == pull
    assert canary.split("prod") == {"v2": 90, "v3": 10}
    canary.forge.close(pull.number)
    assert only_step(canary).action == "advanced"


def test_a_failing_canary_is_taken_back_though_a_rollback_is_open(canary: FakeContext) -> None:
    """Both want the same; nobody has to merge first."""
    rollback(canary.acting("oncall"), "late", "prod")
    traffic(canary, 50, errors=10)
    assert only_step(canary).action == "reverted"
    assert canary.split("prod") == {"v2": 100}


def test_the_bot_merges_nothing_but_the_release_that_it_judged(context: FakeContext) -> None:
    """Somebody's commit on the branch of an approved step is not merged along; the step is proposed anew."""
    ask_above(context, 10)
    assert pass_canary(context, passes=1) == ["needs approval"]
    (pull,) = context.forge.find("open")
    context.repository.commit(pull.source, pull.head, {"policies/auc_floor.yaml": None}, "sly", "eve")
    review(context.acting("grace"), pull.number, approved=True)
    assert pass_canary(context, passes=1) == ["needs approval"]
    assert context.split("prod") == {"v2": 90, "v3": 10}
    assert "policies/auc_floor.yaml" in context.repository.tree(context.forge.get(pull.number).head).files()


def test_a_push_between_commit_and_opening_is_a_reason_to_try_again(
    canary: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The branch is somebody else's by then: the bot gives their head neither its text nor its blessing."""
    commit = canary.repository.commit

    def pushed(branch: str, parent: str, changes: dict[str, bytes | None], message: str, author: str) -> str:
        monkeypatch.setattr(canary.repository, "commit", commit)
        made = commit(branch, parent, changes, message, author)
        commit(branch, made, {"policies/auc_floor.yaml": None}, "sly", "eve")
        return made

    monkeypatch.setattr(canary.repository, "commit", pushed)
    canary.clock.forward(60)
    traffic(canary, 200)
    assert [(failure.about, failure.remedy) for failure in advance(canary, silent).failures] == [("prod/late", "retry")]
    assert canary.forge.find("open") == []
    assert only_step(canary).action == "advanced"
    assert "policies/auc_floor.yaml" in canary.repository.tree("main").files()


def test_a_canary_that_cannot_be_judged_delays_no_revert(canary: FakeContext) -> None:
    """The record of another model's canary is gone: that is said, beside the failing canary that was taken back."""
    release = canary.release("prod")
    assert release is not None
    variants, runs = [], []
    for variant in release.variants:
        record, artifact = canary.records.by_run(variant.run), canary.records.file(variant.run, "artifact")
        assert record is not None
        assert artifact is not None
        copy = record.model_copy(update={"model": "early", "content_key": digest_of(variant.run)})
        runs.append(canary.records.save(copy, {"artifact": artifact}).run_id)
        variants.append(variant.model_copy(update={"run": runs[-1]}))
    other = render_release(release.model_copy(update={"variants": variants}))
    versions = {path: text for v in ("v1", "v2", "v3") for path, text in model_version(v, "early").items()}
    canary.change_main({"environments/prod/early.yaml": other, **versions}, "another model's canary")
    reconcile(canary, silent)
    for run in runs:
        canary.records.forget(run)
    traffic(canary, 50, errors=10)
    done = advance(canary, silent)
    assert [(step.model, step.action) for step in done.steps if step.environment == "prod"] == [("late", "reverted")]
    (failure,) = done.failures
    assert (failure.about, failure.remedy) == ("prod/early", "mend")
    assert any(f"no record has the run id {run}" in failure.message for run in runs)
    assert canary.split("prod") == {"v2": 100}


def test_an_approved_step_is_merged_with_the_evidence_of_that_moment(context: FakeContext) -> None:
    """The figures of when it was opened are old by the time a person says yes."""
    ask_above(context, 10)
    assert pass_canary(context, passes=1) == ["needs approval"]
    (pull,) = context.forge.find("open")
    review(context.acting("grace"), pull.number, approved=True)
    context.clock.forward(600)
    traffic(context, 4321)
    assert only_step(context).action == "advanced"
    assert "5,321" in context.forge.get(pull.number).body
