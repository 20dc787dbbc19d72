"""The duty to deliver: the marker moves after success only."""

from __future__ import annotations

from pathlib import Path

import pytest

from bighead_ci.runner.deliveries import BACKOFF
from fakes.context import model_version
from runner.conftest import Bench


def delivered(tmp_path: Path) -> str:
    """The marker."""
    return (tmp_path / "runner" / "delivered").read_text().strip()


def test_main_is_delivered_from_where_it_was_last(bench: Bench, tmp_path: Path) -> None:
    """The first time from main's first commit; then from the marker, once a merge."""
    poll = bench.polls(bench.deliveries)
    first = bench.context.repository.log("main")[-1].id
    poll()
    assert bench.commands.started[0].arguments == ["deliver", "--since", first]
    before = bench.context.tip
    bench.end(0)
    poll()
    assert delivered(tmp_path) == before
    for _ in range(3):
        poll()
    assert len(bench.commands.started) == 1
    bench.context.change_main(model_version("v2"), "a merge")
    poll()
    assert bench.commands.started[1].arguments == ["deliver", "--since", before]


@pytest.mark.parametrize("code", [1, 2, 70, 75, -15])
def test_a_delivery_that_failed_is_not_delivered(bench: Bench, tmp_path: Path, code: int) -> None:
    """It is tried again after pauses that grow, from the same commit, and said once."""
    poll = bench.polls(bench.deliveries)
    for tries in range(1, 9):
        poll()
        assert len(bench.commands.started) == tries
        assert bench.commands.started[-1].arguments == bench.commands.started[0].arguments
        bench.end(code)
        for _ in range(5):
            poll()
        assert len(bench.commands.started) == tries
        bench.context.clock.forward(BACKOFF.pause(tries).total_seconds())
    assert not (tmp_path / "runner" / "delivered").exists()
    assert len([line for line in bench.said if "not delivered" in line]) == 1


def test_a_merge_ends_the_pause(bench: Bench) -> None:
    """It may be what mends it."""
    poll = bench.polls(bench.deliveries)
    for _ in range(4):
        poll()
        bench.end(2)
        poll()
        bench.context.clock.forward(600)
    poll()
    bench.end(2)
    poll()
    assert bench.commands.running == []
    bench.context.change_main(model_version("v2"), "a merge")
    poll()
    assert len(bench.commands.running) == 1


def test_a_merge_while_a_delivery_runs_is_delivered_next(bench: Bench, tmp_path: Path) -> None:
    """The marker is the commit that the delivery was about, not the newest."""
    poll = bench.polls(bench.deliveries)
    poll()
    before = bench.context.tip
    after = bench.context.change_main(model_version("v2"), "a merge")
    poll()
    assert len(bench.commands.started) == 1
    bench.end(0)
    poll()
    assert delivered(tmp_path) == before
    assert bench.commands.running[0].arguments == ["deliver", "--since", before]
    bench.end(0)
    poll()
    assert delivered(tmp_path) == after


def test_a_restart_goes_on_with_the_pause(bench: Bench, tmp_path: Path) -> None:
    """A runner that is started again and again does not deliver again and again."""
    poll = bench.polls(bench.deliveries)
    for _ in range(6):
        poll()
        bench.end(75)
        poll()
        bench.context.clock.forward(600)
    poll()
    bench.end(75)
    poll()
    restarted = Bench(bench.context, tmp_path / "runner")
    restarted.polls(restarted.deliveries)()
    assert restarted.commands.started == []
    bench.context.clock.forward(BACKOFF.longest.total_seconds())
    restarted.polls(restarted.deliveries)()
    assert len(restarted.commands.started) == 1
