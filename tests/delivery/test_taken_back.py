"""A rollback does not go back to what was taken back."""

from __future__ import annotations

import pytest

from bighead_ci.delivery.rollback import check_rollback, rollback
from bighead_ci.errors import InputError
from fakes.context import FakeContext
from fakes.shipping import pass_canary, ship

PATH = "environments/prod/late.yaml"


def target(context: FakeContext) -> list[str]:
    """The versions that a rollback of prod would restore."""
    return [variant.version for variant in check_rollback(context, "late", "prod").release.variants]


def go_back(context: FakeContext, to: str | None = None) -> str:
    """The commit that was main before."""
    before = context.tip
    context.approve_and_merge(rollback(context.acting("ada"), "late", "prod", to).number)
    return before


def test_a_second_rollback_does_not_bring_back_what_the_first_one_took(shipped: FakeContext) -> None:
    """Only v3 served besides, and that was taken back: it says so, by which commit, and how to do it all the same."""
    go_back(shipped)
    by = shipped.tip[:10]
    with pytest.raises(InputError, match="no other release in prod") as caught:
        rollback(shipped.acting("ada"), "late", "prod")
    assert "v3 of " in str(caught.value)
    assert f"taken back by {by} (rollback late in prod: v3 → v2 (#" in str(caught.value)
    assert "`bighead rollback late --env prod --to COMMIT`" in str(caught.value)


def test_a_rollback_goes_past_what_was_taken_back_and_names_it(shipped: FakeContext) -> None:
    """v4 was taken back to v3: the next one is to v2, on the pull request, in the terminal and in the check."""
    ship(shipped, "v4", skill=1.3)
    pass_canary(shipped)
    go_back(shipped)
    assert target(shipped) == ["v2"]
    (skipped,) = check_rollback(shipped, "late", "prod").skipped
    assert skipped.startswith("v4 of ")
    said: list[str] = []
    pull = rollback(shipped.acting("ada"), "late", "prod", progress=said.append)
    assert said == [f"skipped: {skipped}"]
    assert pull.title == "rollback late in prod: v3 → v2"


def test_a_revert_by_hand_takes_back_too(shipped: FakeContext) -> None:
    """What counts is what the commit did, not who made it."""
    old = shipped.repository.tree(check_rollback(shipped, "late", "prod").target).read(PATH).decode()
    shipped.change_main({PATH: old}, "Revert")
    with pytest.raises(InputError, match=r"taken back by [0-9a-f]{10} \(Revert\)"):
        check_rollback(shipped, "late", "prod")


def test_what_was_brought_back_on_purpose_is_no_longer_taken_back(shipped: FakeContext) -> None:
    """From v3 to v2, on purpose to v3 again, and from there to v2: v2 was never found bad."""
    with_v3 = go_back(shipped)
    go_back(shipped, to=with_v3)
    assert shipped.split("prod")["v3"] == 100
    assert target(shipped) == ["v2"]


def test_a_standby_that_was_retired_is_not_taken_back(shipped: FakeContext) -> None:
    """It served well until something newer did."""
    shipped.clock.forward(7 * 86400)
    pass_canary(shipped)
    assert shipped.split("prod") == {"v3": 100}
    assert target(shipped) == ["v2"]
