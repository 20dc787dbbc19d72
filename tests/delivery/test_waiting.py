"""Waiting for a verdict, while others work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from bighead_ci.delivery.approvals import review
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.checks import CI
from bighead_ci.delivery.waiting import Patience, merge_when_judged, wait_for_verdict
from bighead_ci.errors import InputError, RetryError
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext, model_version

SET = "features/delays/v1/feature_set.yaml"


class Meanwhile:
    """A patience during whose pauses other people do one thing after the other."""

    def __init__(self, context: FakeContext, *events: Callable[[], object]) -> None:
        self.context = context
        self.events: Iterator[Callable[[], object]] = iter(events)
        self.pauses = 0

    def patience(self, seconds: float | None = None) -> Patience:
        """One whose time is the context's."""
        until = None if seconds is None else self.context.clock.now() + timedelta(seconds=seconds)
        return Patience(self.context.clock, until, self._pause)

    def _pause(self, seconds: float) -> None:
        self.pauses += 1
        self.context.clock.forward(seconds)
        next(self.events, lambda: None)()


def test_waiting_ends_with_the_verdict_and_says_what_changed(context: FakeContext) -> None:
    """A line when something changes, none while nothing does."""
    pull = context.propose("late-v2", model_version("v2"))
    said: list[str] = []
    meanwhile = Meanwhile(
        context,
        lambda: None,
        lambda: context.forge.set_check(pull.head, CI, "pending", "checks are running"),
        lambda: None,
        lambda: context.forge.set_check(pull.head, CI, "failure", "failed in 3 s"),
    )
    _, state = wait_for_verdict(context, pull.number, meanwhile.patience(), said.append)
    assert state == "failure"
    assert [line.partition(": ")[2] for line in said] == ["no check of it has begun", "checks are running"]


def test_waiting_follows_a_head_that_moves(context: FakeContext) -> None:
    """The verdict is of the head that there is in the end."""
    pull = context.propose("late-v2", model_version("v2"))

    def push() -> None:
        pushed = context.propose("late-v2", {"README.md": "more"})
        context.forge.set_check(pushed.head, CI, "success", "passed")

    found, state = wait_for_verdict(context, pull.number, Meanwhile(context, push).patience(), silent)
    assert (found.head != pull.head, state) == (True, "success")


def test_waiting_for_one_head_ends_when_it_moves(context: FakeContext) -> None:
    """Nobody merges what he has not seen."""
    pull = context.propose("late-v2", model_version("v2"))
    meanwhile = Meanwhile(context, lambda: context.propose("late-v2", {"README.md": "more"}))
    with pytest.raises(RetryError, match="look at it again"):
        merge_when_judged(context.acting("grace"), pull.number, None, meanwhile.patience(), silent)
    assert context.forge.get(pull.number).state == "open"


def test_waiting_ends_when_patience_does(context: FakeContext) -> None:
    """And says what it waited for."""
    pull = context.propose("late-v2", model_version("v2"))
    meanwhile = Meanwhile(context)
    with pytest.raises(RetryError, match="no check of it has begun; waited long enough"):
        wait_for_verdict(context, pull.number, meanwhile.patience(3), silent)
    assert meanwhile.pauses == 3


def test_a_merge_that_waits_waits_again_for_what_main_outdated(context: FakeContext) -> None:
    """The verdict that main took back is made anew, and then it merges."""
    pull = context.propose("late-v2", model_version("v2"))

    def main_goes_on() -> None:
        check_pull_request(context, pull.number, silent)
        text = context.repository.tree("main").read(SET).decode()
        context.change_main({SET: text + "\n# as it is now\n"}, "main goes on")

    def judged_again() -> None:
        check_pull_request(context, pull.number, silent)

    review(context.acting("grace"), pull.number, approved=True)
    meanwhile = Meanwhile(context, main_goes_on, judged_again)
    merged = merge_when_judged(context.acting("grace"), pull.number, None, meanwhile.patience(), silent)
    assert (merged.state, meanwhile.pauses) == ("merged", 2)


def test_a_merge_that_waits_ends_with_a_refusal(context: FakeContext) -> None:
    """What has failed is not waited for."""
    pull = context.propose("late-v2", model_version("v2"))
    meanwhile = Meanwhile(context, lambda: context.forge.set_check(pull.head, CI, "failure", "failed"))
    with pytest.raises(InputError, match="bighead/ci"):
        merge_when_judged(context.acting("grace"), pull.number, None, meanwhile.patience(), silent)
