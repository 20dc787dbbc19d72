"""A verdict on an edit in place rests on what serves: what is frozen when it is merged may not change."""

from __future__ import annotations

import pytest

from bighead_ci.delivery.approvals import review
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.checks import CI, find_check
from bighead_ci.delivery.deliver import deliver
from bighead_ci.delivery.merge import merge_pull_request
from bighead_ci.delivery.rollback import rollback
from bighead_ci.documents.forge import PullRequest
from bighead_ci.errors import RetryError
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext
from fakes.shipping import merge_version, promote_and_merge, ship

CODE = "models/late/v2/model.py"
RELEASE = "environments/staging/late.yaml"


def edit(context: FakeContext, path: str = CODE) -> PullRequest:
    """Propose another wording of a file of v2."""
    text = context.repository.tree("main").read(path).decode()
    return context.propose("edit", {path: f"{text}\n# tidied\n"}, author="mallory")


def verdict(context: FakeContext, pull: PullRequest) -> tuple[str, str]:
    found = find_check(context.forge, pull.head, CI)
    assert found is not None
    return found.state, found.description


def test_an_edit_judged_before_its_version_served_is_not_merged_after(context: FakeContext) -> None:
    """Merging says what main changed and has it checked again; the new check refuses the frozen edit."""
    merge_version(context, "v2")
    pull = edit(context)
    assert check_pull_request(context, pull.number, silent).state == "passed"
    review(context.acting("grace"), pull.number, approved=True)
    promote_and_merge(context, "staging", "v2")
    with pytest.raises(RetryError, match=rf"main changed {RELEASE}.* since it was judged; it is being checked again"):
        merge_pull_request(context.acting("grace"), pull.number)
    assert verdict(context, pull)[0] == "pending"
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert "late/v2 serves in staging and may not be edited in place" in report.problems[0]


def test_an_edit_that_was_frozen_is_judged_again_when_its_version_no_longer_serves(context: FakeContext) -> None:
    """v3 was edited while it served; it was taken back, and so the reason to refuse is gone."""
    ship(context, "v2")
    merge_version(context, "v3", skill=1.2)
    promote_and_merge(context, "staging", "v3")
    pull = edit(context, "models/late/v3/model.py")
    assert check_pull_request(context, pull.number, silent).state == "invalid"
    before = context.tip
    context.approve_and_merge(rollback(context.acting("ada"), "late", "staging").number)
    deliver(context, before, silent)
    state, words = verdict(context, pull)
    assert state == "pending"
    assert RELEASE in words
    assert check_pull_request(context, pull.number, silent).state == "passed"


def served_meanwhile(context: FakeContext, path: str) -> PullRequest:
    """An edit that was judged, and then v2 began to serve."""
    merge_version(context, "v2")
    pull = edit(context, path)
    assert check_pull_request(context, pull.number, silent).state == "passed"
    review(context.acting("grace"), pull.number, approved=True)
    promote_and_merge(context, "staging", "v2")
    return pull


def test_a_card_rests_on_no_release(context: FakeContext) -> None:
    """It is never frozen, so what was judged stands."""
    pull = served_meanwhile(context, "models/late/v2/README.md")
    assert merge_pull_request(context.acting("grace"), pull.number).state == "merged"


def test_an_edit_of_a_source_rests_on_the_releases_of_all_that_use_it(context: FakeContext) -> None:
    """Whether its meaning may change depends on what serves."""
    pull = served_meanwhile(context, "features/sources/flights.yaml")
    with pytest.raises(RetryError, match=RELEASE):
        merge_pull_request(context.acting("grace"), pull.number)
