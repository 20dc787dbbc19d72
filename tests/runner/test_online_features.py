"""The duty to keep online features those of main."""

from __future__ import annotations

import pytest

from bighead_ci.runner.online_features import BACKOFF
from fakes.context import model_version
from fakes.memory_tree import DVC_LOCK
from runner.conftest import Bench

STALE = ["features", "materialize", "--stale"]


def test_a_merged_change_of_data_is_materialised_by_itself(bench: Bench) -> None:
    """Once when the runner starts, and once a change of dvc.lock; a merge that moves no data or set starts nothing."""
    poll = bench.polls(bench.online_features)
    poll()
    assert [command.arguments for command in bench.commands.started] == [STALE]
    bench.end(0)
    poll()
    bench.context.change_main(model_version("v2"), "a version of a model")
    for _ in range(3):
        poll()
    assert len(bench.commands.started) == 1
    bench.context.change_main({"dvc.lock": DVC_LOCK.replace("aaaa", "bbbb")}, "new data")
    poll()
    assert [command.arguments for command in bench.commands.started] == [STALE, STALE]


def test_a_change_while_one_is_under_way_is_materialised_next(bench: Bench) -> None:
    """What ended was of what main was before."""
    poll = bench.polls(bench.online_features)
    poll()
    bench.context.change_main({"dvc.lock": DVC_LOCK.replace("aaaa", "bbbb")}, "new data")
    poll()
    assert len(bench.commands.started) == 1
    bench.end(0)
    poll()
    assert len(bench.commands.started) == 2


@pytest.mark.parametrize("code", [2, 75, -9])
def test_what_failed_is_tried_again_after_pauses_that_grow(bench: Bench, code: int) -> None:
    """It is said once; main's next change of data ends the pause."""
    poll = bench.polls(bench.online_features)
    for tries in range(1, 5):
        poll()
        assert len(bench.commands.started) == tries
        bench.end(code)
        for _ in range(5):
            poll()
        assert len(bench.commands.started) == tries
        bench.context.clock.forward(BACKOFF.pause(tries).total_seconds())
    assert len([line for line in bench.said if "not materialised" in line]) == 1
    poll()
    bench.end(code)
    poll()
    bench.context.change_main({"dvc.lock": DVC_LOCK.replace("aaaa", "bbbb")}, "new data")
    poll()
    assert len(bench.commands.running) == 1
