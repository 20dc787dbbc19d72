"""Many rows in one request: a list of ours, candidates to be ranked, or tensors of the Open Inference Protocol."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ClassVar, Protocol

from bighead_ci.serving.explaining import Explainer
from bighead_ci.serving.metrics import ServingMetrics
from bighead_ci.serving.predictor import Predicted, Predictor, Prepared, new_id
from bighead_ci.serving.request import Checked, FieldProblem, RequestError, shown

BATCH, ROWS = "/predict/batch", "rows"
TURN = 16
"""Rows that are worked on before the requests of others have their turn."""
TOGETHER = 128
"""Rows that the model is given at once: its call costs much more than a row of it."""
LISTED = 100
"""Problems that an answer lists."""
Place = Callable[[int, FieldProblem], FieldProblem]
"""Of a row's problem in the body, by the row's number."""


class RowsProtocol(Protocol):
    """How many rows are asked for, and how they are answered."""

    explains: ClassVar[bool]
    """Whether answers have a place for explanations."""
    listed: ClassVar[str]
    """What the body calls its rows."""
    together: ClassVar[bool]
    """Whether rows are answered as one list, by which the log can join them."""

    def rows(self, body: Any) -> list[Any]:
        """The rows of a decoded JSON body, each as it would be sent alone.

        Raises:
            RequestError: the body is no request of this protocol.
        """

    def placed(self, body: Any, number: int, problem: FieldProblem, /) -> FieldProblem:
        """A row's problem, with its place in the body."""

    def answer(self, body: Any, predicted: Sequence[Predicted], list_id: str, /) -> Iterator[bytes]:
        """The answer's body in parts, each made when it is asked for, in little time."""


class ListOfRows:
    """`{"rows": [...]}` is answered by `{"rows": [...]}`, in that order, each as it would be alone."""

    explains: ClassVar[bool] = True
    listed: ClassVar[str] = ROWS
    together: ClassVar[bool] = False

    def rows(self, body: Any) -> list[Any]:
        """See `RowsProtocol`."""
        found = body.get(ROWS) if isinstance(body, dict) else None
        if not isinstance(found, list):
            raise RequestError([FieldProblem(ROWS, "no list of rows", shown(found), '{"rows": [{...}, ...]}')])
        return found

    def placed(self, _: Any, number: int, problem: FieldProblem, /) -> FieldProblem:
        """See `RowsProtocol`."""
        return problem.inside(f"{ROWS}[{number}]")

    def answer(self, _: Any, predicted: Sequence[Predicted], __: str, /) -> Iterator[bytes]:
        """See `RowsProtocol`."""
        yield b'{"rows":['
        yield from listed_json([one.answer for one in predicted])
        yield b"]}"


class RowsPredictor:
    """Answers all rows of a request, or none.

    The features of all are of one moment, and the model gets the columns of many rows at once. A few
    rows take a turn with the requests of others: a long list makes nobody wait for all of it.
    """

    def __init__(
        self, predictor: Predictor, explainer: Explainer, metrics: ServingMetrics, scoring: asyncio.Lock, most: int
    ) -> None:
        """Answer with a predictor.

        Args:
            predictor: Of single rows.
            explainer: Of rows that the predictor prepared.
            metrics: Gets the time that each row alone took.
            scoring: Held while something is worked on.
            most: Rows a request.
        """
        self._predictor = predictor
        self._explainer = explainer
        self._metrics = metrics
        self._scoring = scoring
        self._most = most

    async def answer(self, body: Any, protocol: RowsProtocol, *, explain: bool = False) -> bytes:
        """The answer's body to a decoded JSON body; nothing is logged or counted unless every row fits.

        Raises:
            RequestError: the body is none of the protocol, there are too many rows, or some do not fit: every problem
                of every row.
            NoExplanationError: the artifact has no explanations.
            RetryError, InputError, ScoreError: as `Predictor.predict`, of the first row that fails.
        """
        rows = protocol.rows(body)
        if len(rows) > self._most:
            allowed = f"{self._most} (serving.max_batch_rows)"
            raise RequestError([FieldProblem(protocol.listed, "too many rows", str(len(rows)), allowed)])
        place = partial(protocol.placed, body)
        prepared = await self._prepare(await self._check(rows, place), place)
        scores: list[list[float]] = []
        seconds = 0.0
        for part in _parts(len(prepared), TOGETHER):
            found, took = await self._score([prepared[number] for number in part])
            scores += found
            seconds += took
        extras = await self._details(prepared)
        if explain:
            for extra, more in zip(extras, await self._explainer.of(prepared), strict=True):
                extra.update(more)
        list_id = new_id(time.time_ns() // 1000)
        each = seconds / max(len(prepared), 1)
        predicted = await self._answer(prepared, scores, each, list_id if protocol.together else None)
        for one, extra in zip(predicted, extras, strict=True):
            one.answer.update(extra)
        return await self._written(protocol.answer(body, predicted, list_id))

    async def _score(self, rows: Sequence[Prepared]) -> tuple[list[list[float]], float]:
        """Scores, and the seconds that they took."""
        started = time.perf_counter()
        if self._predictor.is_remote:
            found = await self._predictor.remote_scores(rows)
        else:
            async with self._turn():
                started = time.perf_counter()
                found = self._predictor.scores(rows)
        return found, time.perf_counter() - started

    async def _details(self, rows: Sequence[Prepared]) -> list[dict[str, Any]]:
        found = []
        for part in _parts(len(rows), TOGETHER):
            found += await self._predictor.details([rows[number] for number in part])
        return found

    async def _written(self, parts: Iterator[bytes]) -> bytes:
        found: list[bytes] = []
        more: bytes | None = b""
        while more is not None:
            found.append(more)
            async with self._turn():
                more = next(parts, None)
        return b"".join(found)

    async def _check(self, rows: Sequence[Any], place: Place) -> list[Checked]:
        checked, problems = [], Problems()
        for part in _parts(len(rows), TURN):
            async with self._turn():
                for number in part:
                    try:
                        checked.append(self._predictor.check(rows[number]))
                    except RequestError as error:
                        problems.add(place(number, problem) for problem in error.problems)
        problems.refuse()
        return checked

    async def _prepare(self, checked: Sequence[Checked], place: Place) -> list[Prepared]:
        lookup = self._predictor.look_up(checked)
        while True:
            async with self._turn():
                if not lookup.read(TURN):
                    break
        prepared, problems = [], Problems()
        for part in _parts(len(checked), TURN):
            async with self._turn():
                for number in part:
                    try:
                        prepared.append(self._predictor.prepare_next(checked[number], lookup))
                    except RequestError as error:
                        problems.add(place(number, problem) for problem in error.problems)
        problems.refuse()
        return prepared

    async def _answer(
        self, prepared: Sequence[Prepared], scores: Sequence[list[float]], each: float, list_id: str | None
    ) -> list[Predicted]:
        """Every row was scored, in `each` seconds: count, log, answer."""
        predicted = []
        for part in _parts(len(prepared), TURN):
            async with self._turn():
                for number in part:
                    started = time.perf_counter() - each
                    predicted.append(self._predictor.answer(prepared[number], scores[number], started, list_id))
                    seconds = prepared[number].seconds + time.perf_counter() - started
                    self._metrics.listed_seconds.observe(seconds)
        return predicted

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with self._scoring:
            await asyncio.sleep(0)  # lets every request that has arrived be counted
            yield


class Problems:
    """What is wrong with rows, each problem once; no more are listed than somebody reads."""

    def __init__(self) -> None:
        self._found: dict[FieldProblem, None] = {}
        self._others = 0

    def add(self, problems: Iterable[FieldProblem]) -> None:
        """Those of one row, with their places."""
        for problem in problems:
            if problem in self._found or len(self._found) < LISTED:
                self._found[problem] = None
            else:
                self._others += 1

    def refuse(self) -> None:
        """Raise a RequestError if anything is wrong."""
        listed = [*self._found]
        if self._others:
            listed.append(FieldProblem("", f"{self._others:,} more problems, not listed", None, "rows that fit"))
        if listed:
            raise RequestError(listed)


def listed_json(items: Sequence[Any]) -> Iterator[bytes]:
    """A list as JSON, without its brackets, in parts."""
    for part in _parts(len(items), TURN):
        text = json.dumps([items[number] for number in part], separators=(",", ":"))
        yield b"," * (part.start > 0) + text[1:-1].encode()


def _parts(count: int, size: int) -> Iterator[range]:
    return (range(first, min(first + size, count)) for first in range(0, count, size))
