"""Candidates of one list in one request, answered best first.

`{"shared": {"hour": 7}, "candidates": [{"hotel": 4}, {"hotel": 9}]}`: what is shared holds for each candidate.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.serving.explaining import EXPLANATION
from bighead_ci.serving.frames import DETAILS
from bighead_ci.serving.predictor import Predicted
from bighead_ci.serving.request import FieldProblem, RequestError, shown
from bighead_ci.serving.rows import Problems, listed_json
from bighead_ci.tasks.registry import task_named

RANK = "/rank"
SHARED, CANDIDATES, RANKED = "shared", "candidates", "ranked"
_FORM = '{"shared": {...}, "candidates": [{...}, ...]}'
_OF_EACH = ("prediction_id", "features_found", EXPLANATION, DETAILS)
"""What an answer says of each candidate besides its place; the rest is of all."""


class Candidates:
    """A `RowsProtocol` of models whose task puts rows in order."""

    explains: ClassVar[bool] = True
    listed: ClassVar[str] = CANDIDATES
    together: ClassVar[bool] = True

    def __init__(self, manifest: ArtifactManifest) -> None:
        self._target = manifest.target
        self._task = task_named(manifest.target.task)

    def rows(self, body: Any) -> list[Any]:
        """See `RowsProtocol`.

        Raises:
            RequestError: the task ranks nothing, the body has another form, or a candidate has a field that is shared.
        """
        if not self._task.ranks:
            message = f"task {self._task.name} puts nothing in order: ask for each row"
            raise RequestError([FieldProblem("", message, None, '/predict, or /predict/batch with {"rows": [...]}')])
        if not isinstance(body, dict):
            raise RequestError([FieldProblem("", "the body must be a JSON object", shown(body), _FORM)])
        shared: Any = {} if body.get(SHARED) is None else body[SHARED]
        candidates: Any = body.get(CANDIDATES)
        problems = Problems()
        problems.add(_misshapen(shared, candidates))
        problems.refuse()
        problems.add(_twice(shared, candidates))
        problems.refuse()
        return [shared | candidate for candidate in candidates]

    def placed(self, body: Any, number: int, problem: FieldProblem, /) -> FieldProblem:
        """See `RowsProtocol`: what is wrong with a shared field is said once."""
        shared = body.get(SHARED) or {}
        return problem.inside(SHARED if problem.field in shared else f"{CANDIDATES}[{number}]")

    def answer(self, _: Any, predicted: Sequence[Predicted], list_id: str, /) -> Iterator[bytes]:
        """See `RowsProtocol`."""
        if not predicted:
            yield json.dumps({"list_id": list_id, RANKED: []}).encode()
            return
        first = predicted[0].answer
        ranked = self._task.answer_many(np.array([one.scores for one in predicted]), self._target)
        about = {name: value for name, value in first.items() if name not in {*_OF_EACH, *ranked[0]}}
        each = [{name: one.answer[name] for name in _OF_EACH if name in one.answer} for one in predicted]
        yield json.dumps({"list_id": list_id, **about}, separators=(",", ":"))[:-1].encode() + f',"{RANKED}":['.encode()
        yield from listed_json([place | each[place["index"]] for place in ranked])
        yield b"]}"


def _misshapen(shared: Any, candidates: Any) -> Iterator[FieldProblem]:
    if not isinstance(shared, dict):
        yield FieldProblem(SHARED, "no object", shown(shared), _FORM)
    if not isinstance(candidates, list):
        yield FieldProblem(CANDIDATES, "no list of candidates", shown(candidates), _FORM)
        return
    for number, candidate in enumerate(candidates):
        if not isinstance(candidate, dict):
            yield FieldProblem(f"{CANDIDATES}[{number}]", "no object", shown(candidate), "an object")


def _twice(shared: dict[str, Any], candidates: list[dict[str, Any]]) -> Iterator[FieldProblem]:
    for number, candidate in enumerate(candidates):
        for name in candidate.keys() & shared.keys():
            yield FieldProblem(
                f"{CANDIDATES}[{number}].{name}", "is in shared, too", shown(candidate[name]), "one of the two places"
            )
