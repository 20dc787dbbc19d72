"""The process of a version's code, without a version: `python -m fakes.code_child SOCKET`.

What a row's `distance` is decides what becomes of it; any other is the score of the first class.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.live import CodeOrder
from bighead_ci.errors import InputError
from bighead_ci.serving.scoring_child import answer_calls
from fakes.serving import FakeScorer

SPIN, END, RAISE, NAN, HOARD = -1.0, -2.0, -3.0, -4.0, -5.0
PLACE = "models/tiny/v1/model.py:7: predict_proba"
REFUSED = "refused"
"""Name of a directory of code that is refused."""


class CodeChild(FakeScorer):
    """A scorer that does what rows say."""

    place = PLACE

    def score(self, columns: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
        """Scores, if the rows let it come to that."""
        return np.array([self._row(distance) for distance in columns["distance"].tolist()], dtype=np.float64)

    def details(self, columns: Mapping[str, npt.NDArray[Any]]) -> list[dict[str, Any]]:
        """Where each row is."""
        if SPIN in columns["distance"]:
            raise InputError(f"{PLACE}: gives nothing in far, row 0, which is required")
        return [{"far": distance > 100} for distance in columns["distance"].tolist()]

    def _row(self, distance: float) -> list[float]:
        match distance:
            case -1.0:
                while True:
                    time.sleep(0)
            case -2.0:
                os._exit(9)
            case -3.0:
                raise InputError(f"{PLACE}: ValueError: no such distance")
            case -4.0:
                return [float("nan"), 1.0]
            case -5.0:
                np.ones(1 << 28)
        return [distance, 1 - distance]


def load(order: CodeOrder) -> CodeChild:
    """A scorer, whatever is ordered."""
    if order.code.name == REFUSED:
        raise InputError("models/tiny/v1/model.py: cannot be imported")
    return CodeChild([0.25, 0.75])


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        answer_calls(connection, load)
