"""Who must approve, who counts, and the check that says so."""

from __future__ import annotations

import pytest

from bighead_ci.delivery.approvals import count_approvals, review
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.checks import APPROVALS, find_check
from bighead_ci.delivery.deliver import deliver
from bighead_ci.delivery.merge import merge_pull_request
from bighead_ci.delivery.promote import promote
from bighead_ci.delivery.rollback import rollback
from bighead_ci.documents.forge import BOT, PullRequestSummary
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext, model_version
from fakes.shipping import merge_version, promote_and_merge, ship

PROD = "environments/prod/environment.yaml"


def said(context: FakeContext, pull: PullRequestSummary) -> tuple[str, str] | None:
    """State and words of the check on the present head."""
    found = find_check(context.forge, context.forge.get(pull.number).head, APPROVALS)
    return (found.state, found.description) if found else None


def ask_two(context: FakeContext) -> None:
    """Prod wants two people."""
    text = context.repository.tree("main").read(PROD).decode()
    context.change_main({PROD: text + "approvals: 2\n"}, "two people")


def test_an_approval_is_said_on_the_head(context: FakeContext) -> None:
    """At once, by whoever approves; a later refusal takes it back."""
    pull = context.propose("late-v2", model_version("v2"))
    assert review(context.acting("grace"), pull.number, approved=True).approvals() == ["grace"]
    assert said(context, pull) == ("success", "1 of 1: grace")
    review(context.acting("grace"), pull.number, approved=False)
    assert said(context, pull) == ("pending", "0 of 1")


def test_whoever_made_it_does_not_count(context: FakeContext) -> None:
    """Neither the bot nor anybody with a commit on the branch; the author cannot even say it."""
    pull = context.propose("late-v2", model_version("v2"))
    head = context.repository.commit("late-v2", pull.head, {"models/late/v2/README.md": b"# v2\n"}, "card", "eve")
    for person in ("eve", BOT):
        review(context.acting(person), pull.number, approved=True)
    assert context.forge.get(pull.number).head == head
    assert said(context, pull) == ("pending", "0 of 1")
    with pytest.raises(InputError, match="somebody else"):
        review(context.acting("ada"), pull.number, approved=True)
    review(context.acting("grace"), pull.number, approved=True)
    assert said(context, pull) == ("success", "1 of 1: grace")


def test_whoever_made_it_does_not_count_under_another_spelling(context: FakeContext) -> None:
    """The author of a commit on it, or the bot, by a name in other letters."""
    pull = context.propose("late-v2", model_version("v2"))
    context.repository.commit("late-v2", pull.head, {"models/late/v2/README.md": b"# v2\n"}, "card", "mallory")
    for person in ("Mallory", "MALLORY <m@example.invalid>", "Bighead-Bot"):
        review(context.acting(person), pull.number, approved=True)
    assert said(context, pull) == ("pending", "0 of 1")


def test_a_push_needs_new_approvals(context: FakeContext) -> None:
    """What was approved is one head."""
    pull = context.propose("late-v2", model_version("v2"))
    review(context.acting("grace"), pull.number, approved=True)
    pull = context.propose("late-v2", {"models/late/v2/README.md": "# v2\n"})
    check_pull_request(context, pull.number, silent)
    assert said(context, pull) == ("pending", "0 of 1")


@pytest.mark.parametrize("label", ["bighead/approvals/0", "bighead/release/rollback"])
def test_no_label_lowers_the_number(context: FakeContext, label: str) -> None:
    """It follows from what the change means, whatever stands on the pull request."""
    pull = context.propose("late-v2", model_version("v2"))
    context.forge.update(pull.number, labels=("bighead/release", label))
    check_pull_request(context, pull.number, silent)
    assert said(context, pull) == ("pending", "0 of 1")


def test_a_rollback_needs_nobody(context: FakeContext) -> None:
    """Unless something else comes with it."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    pull = rollback(context.acting("oncall"), "late", "prod")
    check_pull_request(context, pull.number, silent)
    assert said(context, pull) == ("success", "nobody has to approve it")
    context.repository.commit(pull.source, pull.head, {"README.md": b"x"}, "and this", "oncall")
    check_pull_request(context, pull.number, silent)
    assert said(context, pull) == ("pending", "0 of 1")


def test_main_may_raise_the_number(context: FakeContext) -> None:
    """What was enough yesterday is counted again when main moves, and when it is merged."""
    merge_version(context, "v2")
    promote_and_merge(context, "staging", "v2")
    promotion = promote(context.acting("ada"), "late", "prod")
    assert promotion is not None
    pull = promotion.pull_request
    check_pull_request(context, pull.number, silent)
    review(context.acting("grace"), pull.number, approved=True)
    assert said(context, pull) == ("success", "1 of 1: grace")
    before = context.tip
    ask_two(context)
    deliver(context, before, silent)
    assert said(context, pull) == ("pending", "1 of 2: grace")
    check_pull_request(context, pull.number, silent)
    with pytest.raises(InputError, match=r"1 of 2: grace"):
        merge_pull_request(context.acting("grace"), pull.number)
    review(context.acting("eve"), pull.number, approved=True)
    assert merge_pull_request(context.acting("grace"), pull.number).state == "merged"


def test_an_environments_own_number_is_not_lowered_by_fewer(context: FakeContext) -> None:
    """Main's number counts, not the one that the pull request would like."""
    ask_two(context)
    text = context.repository.tree("main").read(PROD).decode()
    pull = context.propose("easier", {PROD: text.replace("approvals: 2", "approvals: 0")})
    check_pull_request(context, pull.number, silent)
    assert said(context, pull) == ("pending", "0 of 2")


def test_what_is_not_allowed_cannot_be_counted(context: FakeContext) -> None:
    """An edit that no move makes has no number; it is pending, and says why."""
    ship(context, "v2")
    pull = context.propose("by-hand", {"environments/prod/late.yaml": "variants: []\n"})
    with pytest.raises(InputError):
        count_approvals(context, pull, context.main())
    review(context.acting("grace"), pull.number, approved=True)
    state, words = said(context, pull) or ("", "")
    assert (state, words[:22]) == ("pending", "cannot be told yet: en")
