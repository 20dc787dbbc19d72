"""Deleting and renaming a model are moves like any other: planned, approved, reported as what they are."""

from __future__ import annotations

import pytest

from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.checks import APPROVALS, find_check
from bighead_ci.delivery.reconcile import reconcile
from bighead_ci.documents.forge import PullRequest
from bighead_ci.documents.report import PullRequestReport
from bighead_ci.ports.progress import silent
from bighead_ci.reporting.renderer import Renderer
from fakes.context import FakeContext, model_version
from fakes.shipping import merge_version, pass_canary, promote_and_merge, ship

PROD = "environments/prod/late.yaml"
STAGING = "environments/staging/late.yaml"


@pytest.fixture
def served(context: FakeContext) -> FakeContext:
    """v2 serves in staging and prod."""
    ship(context, "v2")
    return context


def removed(context: FakeContext, folder: str) -> dict[str, str | None]:
    """Deletes a directory."""
    return {path: None for path in context.repository.tree("main").files() if path.startswith(f"{folder}/")}


def checked(context: FakeContext, changes: dict[str, str | None]) -> tuple[PullRequest, PullRequestReport]:
    pull = context.propose("change", changes)
    return pull, check_pull_request(context, pull.number, silent)


def approvals(context: FakeContext, pull: PullRequest) -> str:
    found = find_check(context.forge, pull.head, APPROVALS)
    assert found is not None
    return found.description


def test_the_removal_of_a_release_is_called_what_it_is(served: FakeContext) -> None:
    """No canary plan, no soak and no "retire": the model stops serving there, as many approve as for a promotion."""
    pull, report = checked(served, {PROD: None})
    (move,) = report.moves
    text = Renderer(pictures=False).promotion_markdown(move)
    assert text.startswith("### ⏹️ Stop serving late in prod: v2 no longer serves")
    assert "callers of late get no answer any more" in text
    for word in ("etire", "at each step", "10 % →", "canary_"):
        assert word not in text.partition("**What changes in git**")[0]
    assert approvals(served, pull) == "0 of 1"
    served.approve_and_merge(pull.number)
    reconcile(served, silent)
    assert (served.live("prod"), served.live("staging")) == ({}, {"v2": 100})


def test_a_model_that_serves_is_deleted_with_its_releases(served: FakeContext) -> None:
    """Alone it is refused, with what to do; with its releases it goes, and nothing serves any more."""
    _, refused = checked(served, removed(served, "models/late/v2"))
    (problem,) = refused.problems
    assert f"(git rm {PROD} {STAGING})" in problem
    pull, report = checked(served, {PROD: None, STAGING: None})
    assert (report.problems, report.state) == ([], "passed")
    assert report.plan is not None
    assert report.plan.removed_models == ["late/v2"]
    assert [move.move for move in report.moves] == ["remove", "remove"]
    served.approve_and_merge(pull.number)
    reconcile(served, silent)
    assert (served.live("prod"), served.live("staging")) == ({}, {})


def test_a_model_is_renamed_by_a_new_one_and_the_removal_of_the_old(served: FakeContext) -> None:
    """As docs/releases.md says: both serve side by side until callers have moved."""
    served.orchestrator.skill["models/tardy/v1"] = 1.0
    pull, report = checked(served, {**model_version("v1", "tardy"), "models/tardy/v1/README.md": "# v1\n"})
    assert (report.problems, report.state) == ([], "passed")
    served.approve_and_merge(pull.number)
    gone = {**removed(served, "models/late"), PROD: None, STAGING: None}
    pull, report = checked(served, gone)
    assert (report.problems, report.state) == ([], "passed")
    served.approve_and_merge(pull.number)
    assert {path for path in served.repository.tree("main").files() if path.startswith("models/late/")} == set()


def test_a_version_whose_place_another_took_may_be_deleted(served: FakeContext) -> None:
    """Once it is retired everywhere, nothing else of the model changes."""
    merge_version(served, "v3", skill=1.2)
    promote_and_merge(served, "staging", "v3")
    pass_canary(served, 4, environment="staging")
    promote_and_merge(served, "prod")
    pass_canary(served, 3)
    served.clock.forward(86400)
    pass_canary(served, 1)
    pass_canary(served, 1, environment="staging")
    assert (served.split("prod"), served.split("staging")) == ({"v3": 100}, {"v3": 100})
    _, report = checked(served, removed(served, "models/late/v2"))
    assert (report.problems, report.state) == ([], "passed")
    assert report.moves == []
