"""The checks of a pull request: one report, one comment, statuses that allow or forbid the merge."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from bighead_ci.definitions.loading import load_release
from bighead_ci.definitions.release_file import render_release
from bighead_ci.delivery.approvals import review
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.checks import APPROVALS, CI, find_check
from bighead_ci.delivery.deliver import deliver
from bighead_ci.delivery.merge import merge_pull_request
from bighead_ci.delivery.post import REPORT
from bighead_ci.delivery.promote import promote
from bighead_ci.delivery.report_files import REPORT_FILE, page_of
from bighead_ci.delivery.rollback import rollback
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.documents.release import Release
from bighead_ci.documents.report import PullRequestReport
from bighead_ci.errors import InputError, RetryError
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext, model_version
from fakes.shipping import merge_version, promote_and_merge, ship

V2 = "models/late/v2"


def statuses(context: FakeContext, pull: PullRequestSummary) -> dict[str, str]:
    """Check → state, on the present head."""
    now = context.forge.get(pull.number)
    return {check.name: check.state for check in context.forge.checks(now.head)}


def comment(context: FakeContext, pull: PullRequestSummary) -> str:
    """The one comment."""
    comments = context.forge.get(pull.number).comments
    assert [one.marker for one in comments] == [REPORT]
    return comments[0].body


def proposed(context: FakeContext, pull: PullRequestSummary) -> Release:
    """The staging release that a branch proposes."""
    tree = context.repository.tree(pull.head)
    return load_release(tree, "staging", "late").release


def edited(release: Release, **changes: object) -> str:
    """The release file with its newest variant changed by hand."""
    *others, newest = release.variants
    return render_release(release.model_copy(update={"variants": [*others, newest.model_copy(update=changes)]}))


def test_two_versions_in_one_pull_request_keep_a_check_each(context: FakeContext) -> None:
    """A gate that fails on one of them is not covered by the other's success."""
    context.orchestrator.skill |= {V2: 0.0, "models/late/v3": 1.0}
    pull = context.propose("late", {**model_version("v2"), **model_version("v3"), "models/late/v3/README.md": "# v3\n"})
    assert check_pull_request(context, pull.number, silent).state == "failed"
    found = statuses(context, pull)
    gates = ("bighead/gate/late/v2/auc_floor", "bighead/gate/late/v3/auc_floor")
    assert [found[gate] for gate in gates] == ["failure", "success"]


def test_a_malformed_definition_is_invalid_with_all_problems_at_once(context: FakeContext) -> None:
    """A typo in a model and a broken feature set are both in the comment, and nothing is trained."""
    changes = {
        **model_version("v2"),
        f"{V2}/model.yaml": model_version("v2")[f"{V2}/model.yaml"].replace("task: binary", "taks: binary"),
        "features/delays/v2/feature_set.yaml": "owner: flights\nsource: flihgts\nkey: [carrier]\naggregations: []\n",
    }
    pull = context.propose("broken", changes)
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert any("taks" in problem for problem in report.problems)
    assert any("features/delays/v2/feature_set.yaml" in problem for problem in report.problems)
    assert "taks" in comment(context, pull)
    assert "features/delays/v2/feature_set.yaml" in comment(context, pull)
    assert statuses(context, pull) == {CI: "failure", APPROVALS: "pending"}
    assert context.orchestrator.trained == []


def test_a_new_version_that_passes_gets_one_report_and_a_status_for_each_gate(context: FakeContext) -> None:
    """The comment names the version, the page exists, and each gate that applies has its own check."""
    pull = context.propose("late-v2", model_version("v2"))
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "passed"
    assert [(model.record.id, model.reused) for model in report.models] == [("late/v2", False)]
    assert "late/v2" in comment(context, pull)
    assert page_of(context, pull.number, pull.head).exists()
    assert PullRequestReport.read(page_of(context, pull.number, pull.head).with_name(REPORT_FILE)) == report
    found = statuses(context, pull)
    assert found[CI] == "success"
    gates = {f"bighead/gate/late/v2/{gate.gate}" for gate in report.models[0].verdict.gates if gate.applied}
    assert "bighead/gate/late/v2/auc_floor" in gates
    assert found == {CI: "success", APPROVALS: "pending", **dict.fromkeys(gates, "success")}


def test_the_same_content_key_is_trained_once_and_updates_the_same_comment(context: FakeContext) -> None:
    """A new head that changes only the card reuses the record."""
    pull = context.propose("late-v2", model_version("v2"))
    first = check_pull_request(context, pull.number, silent)
    pull = context.propose("late-v2", {f"{V2}/README.md": "# A better card\n"})
    second = check_pull_request(context, pull.number, silent)
    assert context.orchestrator.trained == [V2]
    assert second.models[0].reused
    assert second.models[0].record == first.models[0].record
    assert pull.head[:10] in comment(context, pull)
    assert statuses(context, pull)[CI] == "success"


def test_a_released_version_may_run_again_at_another_moment(context: FakeContext) -> None:
    """An edit of its run.yaml is legal while it serves, trains it again, and leaves the first record as it was."""
    ship(context, "v2")
    pull = context.propose("again", {f"{V2}/run.yaml": "as_of: 2013-10-02T00:00:00Z\n"})
    report = check_pull_request(context, pull.number, silent)
    assert (report.state, report.problems) == ("passed", [])
    (model,) = report.models
    (before,) = {running.record.run_id: running.record for running in model.running}.values()
    assert (model.record.id, model.reused) == (before.id, False)
    assert model.record.content_key != before.content_key
    assert context.orchestrator.trained == [V2, V2]
    assert context.records.by_content_key(before.content_key) == before
    frozen = context.propose("frozen", {f"{V2}/model.py": "def build(parameters): 1\n"})
    assert "may not be edited in place" in str(check_pull_request(context, frozen.number, silent).problems)


@pytest.mark.parametrize("lock", ["training", "serving"])
def test_a_report_names_the_libraries_that_change(context: FakeContext, lock: str) -> None:
    """By lock, against what the last environment in line runs: changed, new and gone; the same is said to be."""
    ship(context, "v2")
    hashed = f" \\\n    --hash=sha256:{'0' * 64}\n"
    text = f"numpy==2.5.0{hashed}scipy==1.17.0{hashed}"
    pull = context.propose("late-v3", {**model_version("v3"), f"models/late/v3/{lock}.lock": text})
    changes = check_pull_request(context, pull.number, silent).models[0].package_changes
    wanted = ["numpy 2.4.6 → 2.5.0", "scipy 1.17.0 is new"]
    assert changes == {"training": [], "serving": []} | {lock: wanted}
    assert f"- **Libraries for {lock}**: numpy 2.4.6 → 2.5.0; scipy 1.17.0 is new" in comment(context, pull)
    same = context.propose("late-v4", model_version("v4"))
    assert check_pull_request(context, same.number, silent).models[0].package_changes == {"training": [], "serving": []}
    assert "**Libraries**: the same as in prod" in comment(context, same)


def test_a_failing_gate_forbids_the_merge_and_says_why(context: FakeContext) -> None:
    """A model no better than chance fails the floor; its own status and the comment say so."""
    context.orchestrator.skill[V2] = 0.0
    pull = context.propose("late-v2", model_version("v2"))
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "failed"
    assert [gate for gate, _ in report.models[0].verdict.failures] == ["auc_floor"]
    assert "auc_floor" in comment(context, pull)
    found = statuses(context, pull)
    assert (found[CI], found["bighead/gate/late/v2/auc_floor"]) == ("failure", "failure")
    assert found["bighead/gate/late/v2/quality"] == "success"
    with pytest.raises(InputError, match=CI):
        merge_pull_request(context.acting("grace"), pull.number)


def test_a_version_worse_than_what_runs_fails_against_it(context: FakeContext) -> None:
    """The gate compares with what staging serves, on the rows both scored."""
    merge_version(context, "v2", skill=1.5)
    promote_and_merge(context, "staging", "v2")
    context.orchestrator.skill["models/late/v3"] = 0.8
    pull = context.propose("late-v3", model_version("v3"))
    report = check_pull_request(context, pull.number, silent)
    assert [gate for gate, _ in report.models[0].verdict.failures] == ["not_worse"]
    assert report.models[0].running[0].version == "v2"


def test_an_error_is_posted_and_raised_and_the_next_run_succeeds(context: FakeContext) -> None:
    """A full disk is nobody's fault: status `error` is no verdict, and the same head passes later."""
    context.orchestrator.error = RetryError("the disk is full; free some space")
    pull = context.propose("late-v2", model_version("v2"))
    with pytest.raises(RetryError, match="the disk is full"):
        check_pull_request(context, pull.number, silent)
    assert "the disk is full" in comment(context, pull)
    assert statuses(context, pull) == {CI: "error", APPROVALS: "pending"}
    context.orchestrator.error = None
    assert check_pull_request(context, pull.number, silent).state == "passed"
    assert statuses(context, pull)[CI] == "success"
    assert "the disk is full" not in comment(context, pull)


def test_a_released_version_may_not_be_edited_in_place(context: FakeContext) -> None:
    """The refusal names the environment that serves it and the version to make instead."""
    merge_version(context, "v2")
    promote_and_merge(context, "staging", "v2")
    pull = context.propose("edit", {f"{V2}/model.py": "def build(parameters): return 1\n"})
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert "late/v2 serves in staging" in report.problems[0]
    assert "models/late/v3" in report.problems[0]


@pytest.mark.parametrize(
    ("field", "value"),
    [("artifact", digest_of("other")), ("image", f"local/late@{digest_of('other')}"), ("version", "v7")],
)
def test_a_release_may_name_only_what_its_record_holds(context: FakeContext, field: str, value: str) -> None:
    """A promotion whose branch names another artifact, image or version is refused, naming file and value."""
    merge_version(context, "v2")
    pull = context.forge.find("open")[0]
    new = proposed(context, pull)
    pull = context.propose(pull.source, {"environments/staging/late.yaml": edited(new, **{field: value})})
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert len(report.problems) == 1
    assert report.problems[0].startswith(f"environments/staging/late.yaml: variants.0.{field}")
    assert value in report.problems[0]
    assert statuses(context, pull)[CI] == "failure"


def test_a_release_of_an_unknown_run_is_refused(context: FakeContext) -> None:
    """A run id that no record has is named."""
    merge_version(context, "v2")
    pull = context.forge.find("open")[0]
    changed = edited(proposed(context, pull), run="run99")
    pull = context.propose(pull.source, {"environments/staging/late.yaml": changed})
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert "run99" in report.problems[0]
    assert "no record has this run id" in report.problems[0]


def test_a_hand_edited_release_is_refused_with_the_command_to_use(context: FakeContext) -> None:
    """Giving a canary a weight out of turn is no move; the refusal names the commands that are."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    release = context.release("prod")
    assert release is not None
    stable, candidate = release.variants
    jumped = release.model_copy(
        update={
            "variants": [stable.model_copy(update={"weight": 0}), candidate.model_copy(update={"weight": 100})],
        }
    )
    pull = context.propose("by-hand", {"environments/prod/late.yaml": render_release(jumped)})
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert "environments/prod/late.yaml" in report.problems[0]
    assert "bighead advance" in report.problems[0]
    assert "bighead rollback late --env prod" in report.problems[0]


def test_gates_come_from_main_not_from_the_branch(context: FakeContext) -> None:
    """A branch that lowers the floor beside its weak model is still held to main's floor."""
    context.orchestrator.skill[V2] = 0.0
    tree = context.repository.tree("main")
    floor = tree.read("policies/auc_floor.yaml").decode()
    assert "at_least: 0.6" in floor
    changes = {**model_version("v2"), "policies/auc_floor.yaml": floor.replace("at_least: 0.6", "at_least: 0.0")}
    pull = context.propose("sly", changes)
    report = check_pull_request(context, pull.number, silent)
    assert report.plan is not None
    assert report.plan.policies == ["auc_floor"]
    assert report.state == "failed"
    assert [gate for gate, _ in report.models[0].verdict.failures] == ["auc_floor"]


def test_a_promotion_is_judged_again_and_its_body_says_the_verdict(context: FakeContext) -> None:
    """The check of a promotion PR passes, and writes the report of its gates into its body."""
    merge_version(context, "v2")
    promotion = promote(context, "late", "staging", "v2")
    assert promotion is not None
    number = promotion.pull_request.number
    context.forge.update(number, body="changed by somebody")
    report = check_pull_request(context, number, silent)
    assert report.state == "passed"
    body = context.forge.get(number).body
    assert "changed by somebody" not in body
    assert "quality" in body


def test_a_promotion_without_its_gates_fails_the_check(context: FakeContext) -> None:
    """Prod before staging: the pull request opens, and its check fails."""
    merge_version(context, "v2")
    promotion = promote(context, "late", "prod", "v2")
    assert promotion is not None
    pull = promotion.pull_request
    assert check_pull_request(context, pull.number, silent).state == "failed"
    assert statuses(context, pull)[CI] == "failure"


def test_a_version_copied_with_the_stages_of_another_is_refused(context: FakeContext) -> None:
    """Its dvc.yaml would run v1's stages; the refusal names the file and the command that writes it."""
    stages = model_version("v1")["models/late/v1/dvc.yaml"]
    pull = context.propose("copied", {**model_version("v2"), f"{V2}/dvc.yaml": stages})
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert report.problems[0].startswith(f"{V2}/dvc.yaml")
    assert "bighead check --write" in report.problems[0]
    assert context.orchestrator.trained == []


def test_what_the_new_version_asks_of_callers_is_in_the_report(context: FakeContext) -> None:
    """A field that callers of staging do not send is named before it breaks them."""
    merge_version(context, "v2")
    promote_and_merge(context, "staging", "v2")
    files = model_version("v3")
    definition = files["models/late/v3/model.yaml"]
    added = definition.replace(
        "distance: {type: int64}", "distance: {type: int64}\n      seats: {type: int64, column: distance}"
    )
    golden = '[{"distance": 200, "seats": 100, "delays.delay_mean_7d": null}]'
    changes = {**files, "models/late/v3/model.yaml": added, "models/late/v3/golden_rows.json": golden}
    pull = context.propose("late-v3", changes)
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "passed", report.problems
    assert report.models[0].request_changes == ["new required field seats that callers of staging (v2) do not send"]
    assert "new required field" in comment(context, pull)


def test_drift_against_what_serves_is_kept_with_the_record(context: FakeContext) -> None:
    """The training set is compared with the one of the last environment in line, once; the page is with the record."""
    merge_version(context, "v2")
    promote_and_merge(context, "staging", "v2")
    pull = context.propose("late-v3", model_version("v3"))
    report = check_pull_request(context, pull.number, silent).models[0]
    record, drift = report.record, report.drift
    assert drift is not None
    assert drift.reference == "training set of late/v2"
    assert drift.reference_rows == drift.current_rows == 300
    assert "drift of every column (Evidently)" in [link.title for link in report.links]
    context.drift.compared.clear()
    assert check_pull_request(context, pull.number, silent).models[0].drift == drift
    assert context.drift.compared == []
    assert context.records.file(record.run_id, f"report/pr-{pull.number}.html") is not None


def test_a_promotion_by_hand_needs_as_many_approvals_as_by_command(context: FakeContext) -> None:
    """Prod asks for two people, whatever a pull request says of itself."""
    path = "environments/prod/environment.yaml"
    text = context.repository.tree("main").read(path).decode()
    context.change_main({path: text + "approvals: 2\n"}, "two people")
    merge_version(context, "v2")
    promote_and_merge(context, "staging", "v2")
    promotion = promote(context.acting("ada"), "late", "prod")
    assert promotion is not None
    assert check_pull_request(context, promotion.pull_request.number, silent).state == "passed"
    release = context.repository.tree(promotion.pull_request.head).read("environments/prod/late.yaml").decode()
    pull = context.propose("by-hand", {"environments/prod/late.yaml": release})
    assert check_pull_request(context, pull.number, silent).state == "passed"
    with pytest.raises(InputError, match=r"bighead/approvals: .* \(1 of 2: grace\)"):
        context.approve_and_merge(pull.number)
    review(context.acting("eve"), pull.number, approved=True)
    assert merge_pull_request(context.acting("grace"), pull.number).state == "merged"


def test_a_version_released_after_a_branch_began_may_not_be_edited_by_it(context: FakeContext) -> None:
    """The branch knows nothing of the release; main does."""
    merge_version(context, "v2")
    old = context.tip
    promote_and_merge(context, "staging", "v2")
    context.repository.commit("late", old, {f"{V2}/model.py": b"x = 1\n"}, "an edit", "ada")
    pull = context.acting("ada").forge.open("late", "main", "An edit", "")
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert "late/v2 serves in staging and may not be edited in place (model.py)" in report.problems[0]


def test_a_pipeline_that_is_not_what_is_generated_is_refused(context: FakeContext) -> None:
    """Also when nothing else changed, so that no content key is new."""
    pull = context.propose("by-hand", {"models/late/v1/dvc.yaml": "stages: {}\n"})
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert "is not what the version's files generate" in report.problems[0]


def test_a_branch_name_cannot_add_a_command_to_the_ones_to_copy(context: FakeContext) -> None:
    """Git allows `;` and `$` in the name of a branch; the report's commands quote it."""
    pull = context.propose("x;curl$IFS-evil", model_version("v2"))
    report = check_pull_request(context, pull.number, silent)
    assert report.reproduce[0].startswith("git fetch origin 'x;curl$IFS-evil' && git checkout ")


def test_what_needs_no_approval_may_change_nothing_but_a_release(context: FakeContext) -> None:
    """A policy that is pushed onto a rollback's branch does not slip in with it."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    pull = rollback(context.acting("eve"), "late", "prod")
    context.repository.commit(pull.source, pull.head, {"policies/auc_floor.yaml": None}, "sly", "eve")
    check_pull_request(context, pull.number, silent)
    pull = context.forge.get(pull.number)
    with pytest.raises(InputError, match=r"bighead/approvals: must succeed .*0 of 1"):
        merge_pull_request(context.acting("eve"), pull.number)


def test_the_report_of_what_is_merged_stays(context: FakeContext) -> None:
    """Checked against a main that holds it already, nothing would be left to report."""
    merge_version(context, "v2")
    (pull,) = context.forge.find("merged")
    before = comment(context, pull)
    with pytest.raises(InputError, match=f"#{pull.number} is merged: its report stays as it is"):
        check_pull_request(context, pull.number, silent)
    assert comment(context, pull) == before


def test_a_head_that_was_left_while_its_checks_ran_gets_no_comment(context: FakeContext) -> None:
    """Its statuses are its own; the comment is the pull request's and waits for the new head's checks."""
    pull = context.propose("late-v2", model_version("v2"))

    def pushed(_: str) -> None:
        context.propose("late-v2", {f"{V2}/README.md": "# A better card\n"})

    context.orchestrator.before = pushed
    check_pull_request(context, pull.number, silent)
    now = context.forge.get(pull.number)
    assert now.head != pull.head
    assert (now.comments, find_check(context.forge, now.head, CI)) == ([], None)
    assert {check.state for check in context.forge.checks(pull.head)} == {"success"}


def test_an_unforeseen_error_does_not_look_like_running_checks(context: FakeContext) -> None:
    """The status says what happened instead of `pending` for ever."""

    def broken(directory: str) -> None:
        raise ZeroDivisionError(f"in {directory}")

    context.orchestrator.before = broken
    pull = context.propose("late-v2", model_version("v2"))
    with pytest.raises(ZeroDivisionError):
        check_pull_request(context, pull.number, silent)
    status = find_check(context.forge, pull.head, CI)
    assert status is not None
    assert (status.state, status.description) == ("error", f"in {V2}")


def test_a_branch_without_common_history_is_refused_in_words(context: FakeContext) -> None:
    """It has no base to compare with; the comment says so."""
    orphan = context.repository.add([], {"a": b"1"}, "begin elsewhere", "eve")
    context.repository.branches["elsewhere"] = orphan
    pull = context.acting("eve").forge.open("elsewhere", "main", "t", "")
    assert check_pull_request(context, pull.number, silent).state == "invalid"
    assert "no common history" in comment(context, pull)


def test_a_change_of_two_releases_reports_on_both_and_keeps_its_own_words(context: FakeContext) -> None:
    """One hand-made pull request takes two environments back."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    paths = [f"environments/{environment}/late.yaml" for environment in ("staging", "prod")]
    log = {path: context.repository.log("main", path) for path in paths}
    before = {path: context.repository.tree(log[path][1].id).read(path).decode() for path in paths}
    pull = context.propose("both", before)
    context.forge.update(pull.number, body="why I do this")
    assert check_pull_request(context, pull.number, silent).state == "passed"
    assert context.forge.get(pull.number).body == "why I do this"
    assert "Roll back late in staging" in comment(context, pull)
    assert "Roll back late in prod" in comment(context, pull)


@pytest.mark.parametrize(
    ("edit", "title"),
    [
        (lambda _: None, "Stop serving late in prod: v2 no longer serves"),
        (lambda text: text.replace("soak: 8s", "soak: 9s"), "Change the canary plan of late in prod"),
    ],
)
def test_a_removal_and_an_edited_plan_are_told_as_what_they_are(
    context: FakeContext, edit: Callable[[str], str | None], title: str
) -> None:
    """The comment and the pull request's description name the move."""
    ship(context, "v2")
    path = "environments/prod/late.yaml"
    text = context.repository.tree("main").read(path).decode()
    assert edit(text) != text
    pull = context.propose("by-hand", {path: edit(text)})
    assert check_pull_request(context, pull.number, silent).state == "passed"
    assert title in context.forge.get(pull.number).body + comment(context, pull)


def test_two_checks_of_one_content_key_train_it_once(context: FakeContext) -> None:
    """The second waits for the first and takes its record; neither touches the other's work tree."""
    pull = context.propose("late-v2", model_version("v2"))
    waiting = threading.Event()

    def slow(_directory: str) -> None:
        assert waiting.wait(10)

    def noticed(line: str) -> None:
        if "waiting for it" in line:
            waiting.set()

    context.orchestrator.before = slow
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda _: check_pull_request(context, pull.number, noticed), range(2)))
    assert [report.state for report in reports] == ["passed", "passed"]
    assert sorted(report.models[0].reused for report in reports) == [False, True]
    assert context.orchestrator.trained == [V2]


def test_a_damaged_artifact_is_made_again_instead_of_reused(context: FakeContext) -> None:
    """A record whose artifact no process would load is no reason to pass."""
    pull = context.propose("late-v2", model_version("v2"))
    record = check_pull_request(context, pull.number, silent).models[0].record
    (context.records.artifact(record.artifact) / "model.onnx").write_text("something else")
    again = check_pull_request(context, pull.number, silent).models[0]
    assert (again.record, again.reused) == (record, False)
    assert context.records.artifact(record.artifact).exists()


def test_a_damaged_artifact_that_comes_out_otherwise_is_an_error(context: FakeContext) -> None:
    """The record names bytes that nothing makes any more."""
    pull = context.propose("late-v2", model_version("v2"))
    record = check_pull_request(context, pull.number, silent).models[0].record
    (context.records.artifact(record.artifact) / "model.onnx").write_text("something else")
    context.orchestrator.skill[V2] = 1.1
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert "making it again gave something else" in report.problems[0]


def test_an_image_that_is_gone_is_built_again(context: FakeContext) -> None:
    """What its key names is all that goes into it: a new description since then makes no other image."""
    pull = context.propose("late-v2", model_version("v2"))
    record = check_pull_request(context, pull.number, silent).models[0].record
    definition = model_version("v2")[f"{V2}/model.yaml"]
    pull = context.propose("late-v2", {f"{V2}/model.yaml": definition.replace("owner: flights", "owner: ops")})
    context.images.built.clear()
    assert check_pull_request(context, pull.number, silent).models[0].record == record
    assert context.images.find(record.image) is not None


def test_an_image_that_comes_out_otherwise_is_an_error(context: FakeContext) -> None:
    """A record names what was built; another reference for the same key does not take its place unseen."""
    pull = context.propose("late-v2", model_version("v2"))
    check_pull_request(context, pull.number, silent)
    context.images.built.clear()
    context.images.answers += 1
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert "making it again gave something else" in report.problems[0]


def test_a_record_names_the_image_that_the_builder_answered_with(context: FakeContext) -> None:
    """Before the stages ran, and not what anybody planned."""
    pull = context.propose("late-v2", model_version("v2"))
    built: list[str] = []
    context.orchestrator.before = lambda _: built.extend(context.images.built)
    record = check_pull_request(context, pull.number, silent).models[0].record
    assert sorted(ref.reference for ref in record.images.values()) == sorted(built)
    assert record.images["serve"].key == context.images.built[record.image].key


def test_a_promotion_is_judged_again_when_what_it_was_judged_by_changes(context: FakeContext) -> None:
    """Staging was rolled back since: the green check on the promotion to prod no longer lets it through."""
    ship(context, "v2")
    merge_version(context, "v3", skill=1.2)
    promote_and_merge(context, "staging", "v3")
    context.clock.forward(3600)
    promotion = promote(context.acting("ada"), "late", "prod")
    assert promotion is not None
    pull = promotion.pull_request
    assert check_pull_request(context, pull.number, silent).state == "passed"
    before = context.tip
    context.approve_and_merge(rollback(context.acting("oncall"), "late", "staging").number)
    deliver(context, before, silent)
    with pytest.raises(InputError, match=r"bighead/ci.*main changed what this was judged by"):
        merge_pull_request(context.acting("grace"), pull.number)
    assert check_pull_request(context, pull.number, silent).state == "failed"


def test_every_open_verdict_is_asked_for_again_when_policies_change(context: FakeContext) -> None:
    """A stricter gate on main holds for the pull requests that were green before; a way back needs no gate."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    pull = context.propose("late-v4", model_version("v4"))
    back = rollback(context.acting("ada"), "late", "prod")
    for number in (pull.number, back.number):
        assert check_pull_request(context, number, silent).state == "passed"
    before = context.tip
    floor = context.repository.tree("main").read("policies/auc_floor.yaml").decode()
    context.change_main({"policies/auc_floor.yaml": floor.replace("0.6", "0.99")}, "stricter")
    deliver(context, before, silent)
    assert statuses(context, pull)[CI] == "pending"
    assert statuses(context, back)[CI] == "success"
    assert check_pull_request(context, pull.number, silent).state == "failed"


def test_a_verdict_made_before_main_changed_its_policies_is_none(context: FakeContext) -> None:
    """Main moves while the checks run: they end in `pending`, to be run again."""
    pull = context.propose("late-v2", model_version("v2"))

    def meanwhile(_directory: str) -> None:
        floor = context.repository.tree("main").read("policies/auc_floor.yaml").decode()
        context.change_main({"policies/auc_floor.yaml": floor.replace("0.6", "0.99")}, "stricter")

    context.orchestrator.before = meanwhile
    check_pull_request(context, pull.number, silent)
    assert statuses(context, pull)[CI] == "pending"
    assert check_pull_request(context, pull.number, silent).state == "failed"


def test_a_record_that_no_server_shows_is_no_dead_link(context: FakeContext) -> None:
    """The report names the command that shows it, without this machine's paths; with a server, the page."""
    pull = context.propose("late-v2", model_version("v2"))
    report = check_pull_request(context, pull.number, silent)
    run = report.models[0].record.run_id
    assert [link.title for link in report.models[0].links] == []
    assert any(command.startswith("show ") and command.endswith(run) for command in report.reproduce)
    context.records.has_pages = True
    report = check_pull_request(context, pull.number, silent)
    assert [link.url for link in report.models[0].links] == [f"memory://records/{run}"]
