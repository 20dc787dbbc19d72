"""The process that runs a version's code, seen from the one that serves; the code is a double, the process is real."""

from __future__ import annotations

import asyncio
import math
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bighead_ci.documents.live import CodeOrder
from bighead_ci.errors import InputError
from bighead_ci.serving.code_process import CodeProcess
from bighead_ci.serving.predictor import ScoreError
from fakes.code_child import END, HOARD, NAN, PLACE, RAISE, REFUSED, SPIN
from fakes.serving import DIGEST
from fakes.waiting import until

T = TypeVar("T")
MODULE = "fakes.code_child"


@pytest.fixture(autouse=True)
def _children_find_the_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)


def order(code: str = "code", memory: int | None = None) -> CodeOrder:
    return CodeOrder(artifact=DIGEST, artifact_path=Path("artifact"), code=Path(code), memory_bytes=memory)


def asked(use: Callable[[CodeProcess], Awaitable[T]], patience: float = 30.0, memory: int | None = None) -> T:
    """What comes of using one."""
    code = CodeProcess(order(memory=memory), MODULE, patience)

    async def run() -> T:
        await code.attach()
        return await use(code)

    try:
        return asyncio.run(run())
    finally:
        code.stop()


async def fails(code: CodeProcess, distance: float) -> str:
    with pytest.raises(ScoreError) as raised:
        await code.score_rows([{"distance": distance}])
    return str(raised.value)


async def comes_back(code: CodeProcess) -> list[list[float]]:
    """Scores once it is up again; it says that it is not until then."""
    assert code.unready
    found = await code.score_rows([{"distance": 0.5}])
    assert not code.unready
    assert code.restarts == 1
    return found


def test_rows_are_scored_in_their_order() -> None:
    """Missing inputs are missing values there as here, and calls do not get each other's answers."""

    async def use(code: CodeProcess) -> Any:
        calls = [code.score_rows([{"distance": number / 8}, {"distance": 0.5}]) for number in range(8)]
        return await asyncio.gather(*calls), await code.score_rows([{"distance": None}])

    found, ((missing, _),) = asked(use)
    assert found == [[[number / 8, 1 - number / 8], [0.5, 0.5]] for number in range(8)]
    assert math.isnan(missing)


def test_details_are_asked_for_between_scores() -> None:
    """In the order of the rows; what is wrong with them is told, and it goes on."""

    async def use(code: CodeProcess) -> Any:
        rows = [{"distance": 5.0}, {"distance": 500.0}]
        found = await asyncio.gather(code.detail_rows(rows), code.score_rows(rows[:1]), code.detail_rows(rows[:1]))
        with pytest.raises(ScoreError, match="gives nothing in far"):
            await code.detail_rows([{"distance": SPIN}])
        return [*found, await code.detail_rows(rows[1:])]

    near, far = {"far": False}, {"far": True}
    assert asked(use) == [[near, far], [[5.0, -4.0]], [near], [far]]


def test_what_the_code_raises_is_told_with_its_place() -> None:
    """And it goes on."""

    async def use(code: CodeProcess) -> tuple[str, list[list[float]]]:
        return await fails(code, RAISE), await code.score_rows([{"distance": 0.5}])

    assert asked(use) == (f"{PLACE}: ValueError: no such distance", [[0.5, 0.5]])


def test_a_number_that_is_none_arrives_as_it_is() -> None:
    """Who asked judges it."""
    ((first, second),) = asked(lambda code: code.score_rows([{"distance": NAN}]))
    assert math.isnan(first)
    assert second == 1.0


def test_code_that_ends_is_started_again() -> None:
    """The row that it ended under is told so; the next one waits for it."""

    async def use(code: CodeProcess) -> tuple[str, list[list[float]]]:
        return await fails(code, END), await comes_back(code)

    words, found = asked(use)
    assert words == f"its process ended under a request, in {PLACE}; it is started again"
    assert found == [[0.5, 0.5]]


def test_code_that_ends_at_rest_is_missed_at_the_next_look() -> None:
    """So readiness does not wait for a caller."""

    async def use(code: CodeProcess) -> list[list[float]]:
        os.kill(code.pids[0], signal.SIGKILL)
        while not code.unready:
            await asyncio.sleep(0.01)
            code.look()
        return await comes_back(code)

    assert asked(use) == [[0.5, 0.5]]


def test_code_that_never_returns_is_ended(capfd: pytest.CaptureFixture[str]) -> None:
    """Once one call took far longer than any caller waits; its log says where it was."""

    async def use(code: CodeProcess) -> tuple[str, list[list[float]]]:
        return await fails(code, SPIN), await comes_back(code)

    words, found = asked(use, patience=0.2)
    assert f"{PLACE} did not return in 0.2 s" in words
    assert found == [[0.5, 0.5]]
    assert "code_child.py" in capfd.readouterr().err


def test_a_caller_who_left_before_his_turn_costs_nothing() -> None:
    """His row is not scored; one that was begun is, and its answer is nobody else's."""

    async def use(code: CodeProcess) -> list[list[float]]:
        begun = asyncio.ensure_future(code.score_rows([{"distance": 0.125}]))
        waiting = asyncio.ensure_future(code.score_rows([{"distance": END}]))
        await asyncio.sleep(0)
        begun.cancel()
        waiting.cancel()
        return await code.score_rows([{"distance": 0.5}])

    assert asked(use) == [[0.5, 0.5]]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the bound is Linux's")
def test_a_sudden_jump_of_memory_fails_the_row_and_not_the_machine() -> None:
    """What asks for far more than the limit is refused by the kernel; the process goes on."""

    async def use(code: CodeProcess) -> tuple[str, list[list[float]]]:
        return await fails(code, HOARD), await code.score_rows([{"distance": 0.5}])

    words, found = asked(use, memory=256 << 20)
    assert "MemoryError" in words
    assert PLACE in words
    assert found == [[0.5, 0.5]]


def test_code_that_is_refused_is_told_at_once() -> None:
    """In its own words, before anything listens."""
    with pytest.raises(InputError, match="cannot be imported"):
        CodeProcess(order(REFUSED), MODULE, 1.0)


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Also if that is killed while the code is stuck."""
    said = tmp_path / "pid"
    starter = os.fork()
    if starter == 0:
        code = CodeProcess(order(), MODULE, 60.0)
        said.write_text(str(code.pids[0]))

        async def stuck() -> None:
            await code.attach()
            await code.score_rows([{"distance": SPIN}])

        asyncio.run(stuck())
    until(lambda: said.exists() and said.read_text())
    os.kill(starter, signal.SIGKILL)
    os.waitpid(starter, 0)
    child = int(said.read_text())
    until(lambda: not Path(f"/proc/{child}").exists() or _state(child) == "Z")


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
