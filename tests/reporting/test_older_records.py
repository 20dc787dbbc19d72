"""Records of engines before tasks kept their charts as data are still read."""

from __future__ import annotations

import json

from bighead_ci.documents.chart import Curve, Matrix
from bighead_ci.documents.record import EvaluationResult
from bighead_ci.documents.target import Target
from fakes import reports as samples


def test_an_evaluation_of_an_older_engine_is_read() -> None:
    """Its fields become charts, its counts a histogram, and its classes tell the task."""
    now = samples.model_report().record.evaluation
    curves = {one.name: one for one in now.charts if isinstance(one, Curve)}
    matrix = next(one for one in now.charts if isinstance(one, Matrix))
    older = json.loads(now.model_dump_json(exclude={"target", "charts", "notes"}))
    older |= {
        "classes": now.target.outputs,
        "confusion": matrix.counts,
        "roc": [point.model_dump() for point in curves["ROC"].points],
        "calibration": [point.model_dump() for point in curves["calibration"].points],
        "score_histogram": now.score_histogram.counts[:-1],
    }
    assert EvaluationResult.model_validate(older) == now
    older |= {"classes": ["a", "b", "c"], "confusion": [], "roc": [], "calibration": [], "score_histogram": []}
    found = EvaluationResult.model_validate(older)
    assert found.target == Target(task="multiclass", outputs=["a", "b", "c"])
    assert (found.charts, found.score_histogram.total) == ([], 0)
