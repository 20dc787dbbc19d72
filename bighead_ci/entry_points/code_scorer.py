"""The process that runs a version's own code: `python -m bighead_ci.entry_points.code_scorer SOCKET`.

Started by the variant's process, which hands it one end of a pair of sockets.
"""

from __future__ import annotations

import socket
import sys

from bighead_ci.documents.live import CodeOrder
from bighead_ci.errors import BugError
from bighead_ci.model_code.scorer import PythonScorer, code_loaders
from bighead_ci.scorers.artifact import load_artifact
from bighead_ci.serving.scoring_child import answer_calls


def load(order: CodeOrder) -> PythonScorer:
    """The scorer of an order.

    Raises:
        InputError: as `load_artifact`.
    """
    scorer = load_artifact(order.artifact_path, order.artifact, code_loaders(order.code))
    if not isinstance(scorer, PythonScorer):
        raise BugError(f"a {type(scorer).__name__} is no code of a version")
    return scorer


def main() -> None:
    """Score until the variant's process ends."""
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        answer_calls(connection, load)


if __name__ == "__main__":
    main()
