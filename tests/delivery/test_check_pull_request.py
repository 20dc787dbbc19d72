"""The checks of a pull request: one report, one comment, statuses that allow or forbid the merge."""

from __future__ import annotations

import pytest

from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.checks import APPROVALS, CI, find_check
from bighead_ci.delivery.deliver import deliver
from bighead_ci.delivery.merge import merge_pull_request
from bighead_ci.delivery.promote import promote
from bighead_ci.delivery.report_files import REPORT_FILE, page_of
from bighead_ci.delivery.rollback import rollback
from bighead_ci.documents.report import PullRequestReport
from bighead_ci.errors import InputError, RetryError
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext, model_version
from fakes.posted import comment, statuses
from fakes.shipping import merge_version, promote_and_merge, ship

V2 = "models/late/v2"


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


@pytest.mark.parametrize("path", ["models/late/v1/dvc.lock", "models/late/v1/out/evaluation.json"])
def test_what_stages_leave_is_refused_in_a_commit(context: FakeContext, path: str) -> None:
    """With the file, and what to do: a forged result is in nobody's way and in nobody's record."""
    pull = context.propose("forged", {**model_version("v1"), path: "forged"})
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert [problem for problem in report.problems if path in problem and "git rm --cached" in problem] != []
