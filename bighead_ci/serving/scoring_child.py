"""The process that runs a version's own code: loads its artifact, then answers one call after another.

It ends with the variant's process, whatever it is doing then. Asked by SIGUSR1, it writes into the log where it is.
"""

from __future__ import annotations

import faulthandler
import logging
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy.typing as npt

from bighead_ci.documents.live import CodeOrder
from bighead_ci.errors import BigheadError, InputError
from bighead_ci.ports.scorer import Scorer
from bighead_ci.serving.frames import DETAILS, packed, receive
from bighead_ci.serving.memory import bound_data
from bighead_ci.serving.parent import end_with_parent
from bighead_ci.transforms.columns import authored_columns

logger = logging.getLogger(__name__)


class CodeScorer(Scorer, Protocol):
    """A scorer that is a version's own code."""

    @property
    def place(self) -> str:
        """File, line and name of what scores."""

    def details(self, columns: Mapping[str, npt.NDArray[Any]]) -> list[dict[str, Any]]:
        """What it says of rows besides scores, a mapping a row.

        Raises:
            InputError: it raised, or gives something else than is declared.
        """


def answer_calls(connection: socket.socket, load: Callable[[CodeOrder], CodeScorer]) -> None:
    """Load what the first message orders, say how that went, and score until the other side closes."""
    end_with_parent()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    order = CodeOrder.model_validate(receive(connection))
    try:
        scorer = load(order)
    except BigheadError as error:
        connection.sendall(packed({"refused": str(error)}))
        return
    except Exception as error:
        logger.exception("cannot load")
        connection.sendall(packed({"refused": f"{type(error).__name__}: {error}"}))
        return
    if order.memory_bytes is not None:
        bound_data(order.memory_bytes)
    connection.sendall(packed({"manifest": scorer.manifest.model_dump(mode="json"), "place": scorer.place}))
    while True:
        try:
            call = receive(connection)
        except EOFError:
            return
        connection.sendall(packed(_answer(scorer, call["rows"], call["asked"])))


def _answer(scorer: CodeScorer, rows: list[dict[str, Any]], asked: str) -> dict[str, Any]:
    try:
        columns = authored_columns(rows, scorer.manifest.inputs)
        return {asked: scorer.details(columns) if asked == DETAILS else scorer.score(columns).tolist()}
    except InputError as error:
        return {"error": str(error)}
    except Exception as error:
        logger.exception("scoring failed")
        return {"error": f"{scorer.place}: {type(error).__name__}: {error}"}
