"""A gate or an environment on main that nobody can read (brought past the checks) is mended by a pull request."""

from __future__ import annotations

import pytest

from bighead_ci.delivery.approvals import count_approvals
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.checks import CI, find_check
from bighead_ci.delivery.deliver import deliver
from bighead_ci.delivery.rollback import rollback
from bighead_ci.documents.report import PullRequestReport
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent
from bighead_ci.reporting.renderer import Renderer
from fakes.context import FakeContext, model_version
from fakes.shipping import merge_promotion, merge_version, ship

GATE = "policies/auc_floor.yaml"
PROD = "environments/prod/environment.yaml"
STAGING = "environments/staging/environment.yaml"
BROKEN = "owner: [\n"


def text(context: FakeContext, path: str) -> str:
    return context.repository.tree("main").read(path).decode()


def ask(context: FakeContext, path: str, people: int) -> None:
    context.change_main({path: f"{text(context, path)}approvals: {people}\n"}, f"{people} people")


def break_main(context: FakeContext, path: str) -> str:
    """Somebody pushes nonsense past the checks; what was there."""
    good = text(context, path)
    context.change_main({path: BROKEN}, "oops")
    return good


def checked(context: FakeContext, branch: str, changes: dict[str, str | None]) -> PullRequestReport:
    context.orchestrator.skill[f"models/late/{branch}"] = 1.0
    return check_pull_request(context, context.propose(branch, changes).number, silent)


def version(name: str) -> dict[str, str | None]:
    return {**model_version(name), f"models/late/{name}/README.md": f"# {name}\n"}


def test_others_say_which_gate_cannot_be_read_and_who_mends_it(context: FakeContext) -> None:
    """With file and line; once it is mended they are judged again."""
    good = break_main(context, GATE)
    report = checked(context, "v2", version("v2"))
    assert report.state == "invalid"
    (problem,) = report.problems
    assert problem.startswith(f"{GATE}:")
    assert "mend it by a pull request that changes this file, which is judged by its own version of it" in problem
    before = context.tip
    mending = context.propose("mend", {GATE: good})
    assert check_pull_request(context, mending.number, silent).state == "passed"
    context.approve_and_merge(mending.number)
    deliver(context, before, silent)
    found = find_check(context.forge, report.commit, CI)
    assert found is not None
    assert found.state == "pending"


@pytest.mark.parametrize(("at_least", "state"), [("0.6", "passed"), ("0.999", "failed")])
def test_what_mends_a_gate_is_judged_by_its_own_version_of_it(context: FakeContext, at_least: str, state: str) -> None:
    """By that one only for the gate that is broken; as many approve as the strictest environment asks; it says so."""
    ask(context, PROD, 2)
    good = break_main(context, GATE)
    mended = good.replace("at_least: 0.6}", f"at_least: {at_least}}}")
    report = checked(context, "v2", {**version("v2"), GATE: mended})
    assert (report.problems, report.state) == ([], state)
    (model,) = report.models
    assert [gate for gate, _ in model.verdict.failures] == (["auc_floor"] if state == "failed" else [])
    assert report.mends == [GATE]
    assert (report.approvals[0].people, GATE in report.approvals[0].because) == (2, True)
    comment = Renderer(pictures=False).markdown(report)
    assert f"**Mends** what cannot be read on main: `{GATE}`. Its own version of that judged this PR." in comment
    assert "take effect only after the merge" not in comment


def test_a_gate_that_can_be_read_stays_mains(context: FakeContext) -> None:
    """Who mends one does not choose the others."""
    good, other = break_main(context, GATE), "policies/not_worse.yaml"
    report = checked(context, "v2", {**version("v2"), GATE: good, other: None})
    assert "not_worse" in {gate.gate for model in report.models for gate in model.verdict.gates}
    assert report.mends == [GATE]


def test_a_broken_gate_may_be_removed(context: FakeContext) -> None:
    """Then the others judge."""
    break_main(context, GATE)
    report = checked(context, "v2", {**version("v2"), GATE: None})
    assert (report.problems, report.state) == ([], "passed")
    assert "auc_floor" not in {gate.gate for model in report.models for gate in model.verdict.gates}


def test_what_no_gate_judges_waits_for_none(context: FakeContext) -> None:
    """The way back, and a note, pass while a gate cannot be read."""
    ship(context, "v2")
    merge_version(context, "v3", skill=1.2)
    merge_promotion(context, "staging", "v3")
    break_main(context, GATE)
    assert checked(context, "note", {"NOTES.md": "notes\n"}).state == "passed"
    pull = rollback(context.acting("ada"), "late", "staging")
    assert check_pull_request(context, pull.number, silent).state == "passed"


def test_what_mends_an_environment_needs_what_the_strictest_one_asks_for(context: FakeContext) -> None:
    """Its own number cannot be read any more, and the one that it brings is not main's."""
    ask(context, STAGING, 3)
    ask(context, PROD, 2)
    good = break_main(context, PROD)
    pull = context.propose("mend", {PROD: good.replace("approvals: 2", "approvals: 0")})
    report = check_pull_request(context, pull.number, silent)
    assert (report.problems, report.state) == ([], "passed")
    assert report.mends == [PROD]
    assert report.approvals[0].people == 3
    assert f"{PROD} could not be read on main: as many as the strictest environment, staging" in (
        report.approvals[0].because
    )
    assert count_approvals(context, pull, context.main()).needed == 3


def test_a_promotion_to_an_unreadable_environment_says_how_to_mend_it(context: FakeContext) -> None:
    """Other environments go on."""
    merge_version(context, "v2")
    break_main(context, PROD)
    merge_promotion(context, "staging", "v2")
    with pytest.raises(InputError, match=rf"{PROD}:.*mend it by a pull request that changes this file"):
        merge_promotion(context, "prod", "v2")


def test_a_gate_is_not_changed_while_nobody_can_tell_how_many_must_approve(context: FakeContext) -> None:
    """An environment that cannot be read may be the strictest; a pull request that mends both is counted."""
    good, gate = break_main(context, PROD), text(context, GATE)
    looser = gate.replace("at_least: 0.6}", "at_least: 0.1}")
    report = checked(context, "loose", {GATE: looser})
    assert report.state == "invalid"
    assert f"{PROD}:" in report.problems[0]
    assert f"so nobody can tell how many must approve a change of {GATE}" in report.problems[0]
    assert checked(context, "both", {GATE: looser, PROD: good}).state == "passed"


DEFINITIONS = [
    "features/delays/v1/feature_set.yaml",
    "features/sources/flights.yaml",
    "models/late/v2/model.yaml",
    "dvc.lock",
]


@pytest.mark.parametrize("path", DEFINITIONS)
def test_what_serves_is_mended_where_its_definition_cannot_be_read(context: FakeContext, path: str) -> None:
    """Nobody can tell what such a file meant, so that it is no edit in place: the release would keep it broken."""
    ship(context, "v2")
    good = break_main(context, path)
    pull = context.propose("mend", {path: good})
    report = check_pull_request(context, pull.number, silent)
    assert (report.problems, report.state) == ([], "passed")
    assert context.approve_and_merge(pull.number).state == "merged"
    assert text(context, path) == good


def test_what_can_be_read_of_what_serves_stays_frozen(context: FakeContext) -> None:
    """Who mends model.yaml does not edit model.py along with it."""
    ship(context, "v2")
    path = "models/late/v2/model.yaml"
    good = break_main(context, path)
    pull = context.propose("mend", {path: good, "models/late/v2/model.py": "def build(parameters): 0\n"})
    (problem,) = check_pull_request(context, pull.number, silent).problems
    assert "may not be edited in place (model.py)" in problem
