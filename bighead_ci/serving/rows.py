"""Many rows in one request: as a list of ours, or as tensors of the Open Inference Protocol."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Protocol

from bighead_ci.serving.metrics import ServingMetrics
from bighead_ci.serving.predictor import Predicted, Predictor, Prepared
from bighead_ci.serving.request import FieldProblem, RequestError, shown

ROWS = "rows"


class RowsProtocol(Protocol):
    """How many rows are asked for, and how they are answered."""

    def rows(self, body: Any) -> list[Any]:
        """The rows of a decoded JSON body, each as it would be sent alone.

        Raises:
            RequestError: the body is no request of this protocol.
        """

    def answer(self, body: Any, predicted: Sequence[Predicted], /) -> dict[str, Any]:
        """The answer's body."""


class ListOfRows:
    """`{"rows": [...]}` is answered by `{"rows": [...]}`, in that order, each as it would be alone."""

    def rows(self, body: Any) -> list[Any]:
        """See `RowsProtocol`."""
        found = body.get(ROWS) if isinstance(body, dict) else None
        if not isinstance(found, list):
            raise RequestError([FieldProblem(ROWS, "no list of rows", shown(found), '{"rows": [{...}, ...]}')])
        return found

    def answer(self, _: Any, predicted: Sequence[Predicted], /) -> dict[str, Any]:
        """See `RowsProtocol`."""
        return {ROWS: [one.answer for one in predicted]}


class RowsPredictor:
    """Answers all rows of a request, or none.

    Rows take turns with the requests of others: a long list makes nobody wait for more than a row of it.
    """

    def __init__(self, predictor: Predictor, metrics: ServingMetrics, scoring: asyncio.Lock, most: int) -> None:
        """Answer with a predictor.

        Args:
            predictor: Of single rows.
            metrics: Counts each row as an answer, with the time that it alone took.
            scoring: Held while a row is scored.
            most: Rows a request.
        """
        self._predictor = predictor
        self._metrics = metrics
        self._scoring = scoring
        self._most = most

    async def predict(self, rows: Sequence[Any]) -> list[Predicted]:
        """One answer a row; nothing is logged or counted unless every row fits.

        Raises:
            RequestError: there are too many rows, or some do not fit: every problem of every row.
            RetryError, InputError, ScoreError: as `Predictor.predict`, of the first row that fails.
        """
        if len(rows) > self._most:
            raise RequestError(
                [FieldProblem(ROWS, "too many rows", str(len(rows)), f"{self._most} (serving.max_batch_rows)")]
            )
        prepared = await self._prepare(rows)
        predicted = []
        for one in prepared:
            async with self._scoring:
                await asyncio.sleep(0)
                started = time.perf_counter()
                predicted.append(self._predictor.score(one))
                self._metrics.answered(200, one.seconds + time.perf_counter() - started)
        return predicted

    async def _prepare(self, rows: Sequence[Any]) -> list[Prepared]:
        prepared: list[Prepared] = []
        problems: list[FieldProblem] = []
        for number, row in enumerate(rows):
            async with self._scoring:
                await asyncio.sleep(0)
                try:
                    prepared.append(self._predictor.prepare(row))
                except RequestError as error:
                    problems += [problem.inside(f"{ROWS}[{number}]") for problem in error.problems]
        if problems:
            raise RequestError(problems)
        return prepared
