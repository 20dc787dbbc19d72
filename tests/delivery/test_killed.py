"""A verb that is killed after any of its effects and run again leaves what one run leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bighead_ci.delivery.advance import advance
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.deliver import deliver
from bighead_ci.delivery.promote import promote
from bighead_ci.delivery.rollback import rollback
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext, model_version
from fakes.shipping import merge_version, promote_and_merge, ship, traffic

EFFECTS = {
    "forge": ("open", "update", "comment", "set_check", "merge"),
    "repository": ("commit",),
    "records": ("save", "attach"),
}
Verb = Callable[[FakeContext], object]


class KilledError(BaseException):
    """What a verb cannot catch, as it cannot catch SIGKILL."""


def dying(context: FakeContext, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the verb die right after so many effects on git, forge and records."""
    left = [after]

    def wrapped(effect: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            result = effect(*arguments, **named)
            left[0] -= 1
            if left[0] == 0:
                raise KilledError
            return result

        return run

    for port, names in EFFECTS.items():
        for name in names:
            target = type(getattr(context, port))  # whoever acts: each has a forge of the same class
            monkeypatch.setattr(target, name, wrapped(getattr(target, name)))


def outcome(context: FakeContext) -> object:
    """What people see: main's files, and every pull request but for the moments in its texts."""
    pulls = [
        (
            *(pull.number, pull.title, pull.state, pull.source, pull.author, sorted(pull.labels)),
            [comment.marker for comment in context.forge.get(pull.number).comments],
            [(check.name, check.state) for check in context.forge.checks(pull.head)],
        )
        for pull in context.forge.find()
    ]
    log = [commit.subject for commit in context.repository.log("main")]
    return pulls, log, context.repository.tree("main").files(), sorted(context.orchestrator.trained)


def check(context: FakeContext) -> None:
    """A new version's pull request."""
    check_pull_request(context, context.forge.find("open")[0].number, silent)


def proposed(context: FakeContext) -> None:
    """A pull request that brings v2."""
    context.propose("late-v2", model_version("v2"))


def merged(context: FakeContext) -> None:
    """v2 is on main and not delivered."""
    proposed(context)
    check(context)
    context.approve_and_merge(1)


def canary(context: FakeContext) -> None:
    """A canary of v3 in prod whose step is over."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    context.clock.forward(60)
    traffic(context, 1000)


def bad_canary(context: FakeContext) -> None:
    """One that fails."""
    canary(context)
    traffic(context, 1000, errors=500)


def in_staging(context: FakeContext) -> None:
    """v2 serves in staging."""
    merge_version(context, "v2")
    promote_and_merge(context, "staging", "v2")


def deliver_all(context: FakeContext) -> None:
    """Everything since the first commit."""
    deliver(context, context.repository.log("main")[-1].id, silent)


VERBS: dict[str, tuple[Verb, Verb]] = {
    "check": (proposed, check),
    "deliver": (merged, deliver_all),
    "promote": (in_staging, lambda context: promote(context.acting("ada"), "late", "prod")),
    "advance": (canary, lambda context: advance(context, silent)),
    "revert": (bad_canary, lambda context: advance(context, silent)),
    "rollback": (canary, lambda context: rollback(context.acting("ada"), "late", "prod")),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_killed_after_any_effect_and_run_again_leaves_what_one_run_leaves(verb: str, tmp_path: Path) -> None:
    """Nothing twice, nothing half: pull requests, statuses, comments and main are the same."""
    begin, run = VERBS[verb]
    whole = FakeContext(tmp_path / "whole")
    begin(whole)
    run(whole)
    kills = 0
    while True:
        context = FakeContext(tmp_path / f"killed{kills}")
        begin(context)
        with pytest.MonkeyPatch.context() as monkeypatch:
            dying(context, monkeypatch, after=kills + 1)
            try:
                run(context)
                break
            except KilledError:
                kills += 1
        run(context)
        assert outcome(context) == outcome(whole), f"killed after effect {kills}"
    assert kills >= 2


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_run_twice_adds_nothing(verb: str, tmp_path: Path) -> None:
    """The second run finds its work done."""
    begin, run = VERBS[verb]
    context = FakeContext(tmp_path)
    begin(context)
    run(context)
    once = outcome(context)
    run(context)
    assert outcome(context) == once
