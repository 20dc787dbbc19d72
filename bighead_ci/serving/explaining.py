"""Explanations of single answers, for callers who ask: `?explain=true`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from bighead_ci.serving.predictor import Predictor, Prepared
from bighead_ci.serving.request import FieldProblem, RequestError, shown

PARAMETER, EXPLANATION = "explain", "explanation"
"""Of the query; of the answer."""
_VALUES = {"true": True, "false": False}
TOGETHER = 16
"""Rows that are explained before another request's have their turn."""


def asks_to_explain(query: bytes) -> bool:
    """Whether a request's query string asks for explanations.

    Raises:
        RequestError: it says neither true nor false.
    """
    said = parse_qs(query.decode("latin-1"), keep_blank_values=True).get(PARAMETER, ["false"])[-1]
    if said not in _VALUES:
        raise RequestError([FieldProblem(PARAMETER, "wrong value in the query", shown(said), " or ".join(_VALUES))])
    return _VALUES[said]


class Explainer:
    """Explains beside the event loop, one request at a time: an explanation takes as long as many predictions."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._turn = asyncio.Lock()

    async def of(self, rows: Sequence[Prepared]) -> list[dict[str, Any]]:
        """What each row's answer has more.

        Raises:
            NoExplanationError, ScoreError: as `Predictor.explain`.
        """
        found = []
        for start in range(0, len(rows), TOGETHER):
            async with self._turn:
                found += await asyncio.to_thread(self._predictor.explain, rows[start : start + TOGETHER])
        return [{EXPLANATION: one.model_dump(mode="json")} for one in found]
