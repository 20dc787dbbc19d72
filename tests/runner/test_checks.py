"""The duty to check pull requests: which head is checked when, and what an exit code makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bighead_ci.delivery.checks import CI, find_check
from bighead_ci.delivery.outdated import WORDS
from bighead_ci.documents.forge import PullRequest
from bighead_ci.runner.checks import BACKOFF, TRIES
from fakes.context import FakeContext, model_version
from runner.conftest import Bench


def propose(context: FakeContext, branch: str, text: str = "1") -> PullRequest:
    return context.propose(branch, {f"models/late/v1/{branch}.md": text})


def judge(context: FakeContext, number: int) -> None:
    """What `bighead ci` does in the end."""
    context.forge.set_check(context.forge.get(number).head, CI, "failure", "a gate failed")


def shown(bench: Bench) -> tuple[str, str]:
    """What people see of the check of #1."""
    check = find_check(bench.context.forge, bench.context.forge.get(1).head, CI)
    assert check is not None
    return check.state, check.description


def test_each_open_head_is_checked_once(bench: Bench) -> None:
    """A verdict ends it, a new head begins it again, and a verdict that main took back too."""
    poll = bench.polls(bench.checks)
    number = propose(bench.context, "a").number
    poll()
    poll()
    assert [command.arguments for command in bench.commands.started] == [["ci", str(number)]]
    judge(bench.context, number)
    bench.end(1)
    poll()
    assert len(bench.commands.started) == 1
    propose(bench.context, "a", "2")
    poll()
    assert len(bench.commands.started) == 2
    judge(bench.context, number)
    bench.end(0)
    poll()
    bench.context.forge.set_check(bench.context.forge.get(number).head, CI, "pending", "main moved")
    poll()
    assert len(bench.commands.started) == 3
    assert not any("no verdict" in line for line in bench.said)


def test_two_are_checked_at_once_and_the_next_when_one_ends(bench: Bench) -> None:
    """Without waiting for a pause."""
    poll = bench.polls(bench.checks)
    pulls = [propose(bench.context, branch) for branch in "abc"]
    poll()
    assert len(bench.commands.running) == 2
    judge(bench.context, pulls[0].number)
    bench.commands.running[0].code = 0
    poll()
    assert [command.arguments[1] for command in bench.commands.running] == [str(p.number) for p in pulls[1:]]


def test_a_check_that_main_outdates_again_and_again_is_never_given_up(bench: Bench) -> None:
    """It ended well and its verdict was taken back at once: that says nothing against the head."""
    poll = bench.polls(bench.checks)
    propose(bench.context, "a")
    for tries in range(1, 3 * TRIES):
        poll()
        assert len(bench.commands.started) == tries
        bench.end(0)
        poll()
        bench.context.clock.forward(BACKOFF.longest.total_seconds())


@pytest.mark.parametrize("code", [1, 2])
def test_a_verdict_that_says_no_is_no_failed_try(bench: Bench, code: int) -> None:
    """Policy that changes during one check after another takes it back each time; the head is checked all the same."""
    poll = bench.polls(bench.checks)
    pull = propose(bench.context, "a")
    for tries in range(1, 3 * TRIES):
        poll()
        assert len(bench.commands.started) == tries
        bench.context.forge.set_check(pull.head, CI, "pending", WORDS)
        bench.end(code)
        poll()
        assert shown(bench) == ("pending", WORDS)
        bench.context.clock.forward(BACKOFF.longest.total_seconds())


@pytest.mark.parametrize("code", [1, 2, 70, 137, -6, -11])
def test_a_check_without_verdict_is_tried_three_times(bench: Bench, code: int) -> None:
    """With pauses that grow; then the head is left alone until there is another, and that is said."""
    poll = bench.polls(bench.checks)
    propose(bench.context, "a")
    for tries in range(1, TRIES + 1):
        poll()
        assert len(bench.commands.started) == tries
        bench.end(code)
        poll()
        bench.context.clock.forward(BACKOFF.pause(tries).total_seconds() - 0.1)
        poll()
        assert len(bench.commands.started) == tries
        bench.context.clock.forward(0.1)
    bench.context.clock.forward(1e6)
    poll()
    assert len(bench.commands.started) == TRIES
    assert bench.said[-1] == f"#1: no verdict (exit code {code}), no more until its head moves: ci-1.log"
    assert shown(bench) == ("error", f"ended without a verdict (exit code {code}); run `bighead ci 1`, or push again")
    propose(bench.context, "a", "2")
    poll()
    assert len(bench.commands.started) == TRIES + 1


@pytest.mark.parametrize("code", [75, -9])
def test_a_check_that_asks_for_later_is_tried_without_end(bench: Bench, code: int) -> None:
    """A full disk or a kill is nobody's fault: every five minutes in the end."""
    poll = bench.polls(bench.checks)
    propose(bench.context, "a")
    for tries in range(1, 12):
        poll()
        assert len(bench.commands.started) == tries
        bench.end(code)
        poll()
        assert shown(bench) == ("pending", f"ended without a verdict (exit code {code}); it is tried again")
        bench.context.clock.forward(BACKOFF.longest.total_seconds())
    assert len([line for line in bench.said if "no verdict" in line]) == 1


def test_a_check_under_way_when_the_runner_is_killed_is_taken_up_again(bench: Bench, tmp_path: Path) -> None:
    """However often that happens: being killed says nothing against a head."""
    pull = propose(bench.context, "a")
    for _ in range(2 * TRIES):
        killed = Bench(bench.context, tmp_path / "runner")
        killed.polls(killed.checks)()
        assert len(killed.commands.started) == 1
        bench.context.forge.set_check(pull.head, CI, "pending", "checks are running")
        bench.context.clock.forward(1)


def test_a_restart_does_not_try_again_what_was_given_up(bench: Bench, tmp_path: Path) -> None:
    """The number of tries is on disk."""
    poll = bench.polls(bench.checks)
    propose(bench.context, "a")
    for _ in range(TRIES - 1):
        poll()
        bench.end(70)
        poll()
        bench.context.clock.forward(600)
    restarted = Bench(bench.context, tmp_path / "runner")
    poll = restarted.polls(restarted.checks)
    poll()
    restarted.end(70)
    poll()
    bench.context.clock.forward(600)
    poll()
    assert len(restarted.commands.started) == 1
    again = Bench(bench.context, tmp_path / "runner")
    again.polls(again.checks)()
    assert again.commands.started == []


def test_a_head_that_moves_while_it_is_checked_gets_its_own_check(bench: Bench) -> None:
    """After the one under way, whose end says nothing about it."""
    poll = bench.polls(bench.checks)
    propose(bench.context, "a")
    poll()
    propose(bench.context, "a", "2")
    poll()
    assert len(bench.commands.started) == 1
    bench.end(75)
    poll()
    assert len(bench.commands.started) == 2


def test_nothing_is_asked_of_the_forge_while_nothing_moves(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle poll costs nothing."""
    poll = bench.polls(bench.checks)
    number = propose(bench.context, "a").number
    poll()
    judge(bench.context, number)
    bench.end(0)
    poll()
    poll()
    asked: list[str] = []
    monkeypatch.setattr(bench.checks, "run", lambda: asked.append("run"))
    for _ in range(100):
        bench.context.clock.forward(10)
        poll()
    assert asked == []
    bench.context.change_main(model_version("v2"), "a merge")
    poll()
    assert asked == ["run"]
