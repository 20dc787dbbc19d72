"""Prediction → variant → artifact → run → training set → features → commit."""

from __future__ import annotations

from bighead_ci.delivery.context import Context
from bighead_ci.delivery.history import ServedSpan, history
from bighead_ci.documents.base import Document
from bighead_ci.documents.live import Prediction
from bighead_ci.documents.record import RunRecord
from bighead_ci.errors import InputError


class Trace(Document):
    """Where one prediction came from."""

    prediction: Prediction
    span: ServedSpan | None
    """What main said then; None when the prediction is older than the release's history."""
    record: RunRecord | None
    run_url: str


def trace(context: Context, prediction_id: str) -> Trace:
    """Follow a prediction back to the commit that made its model.

    Raises:
        InputError: no prediction of that id is in the log.
    """
    prediction = context.predictions.find(prediction_id)
    if prediction is None:
        raise InputError(
            f"prediction {prediction_id!r} is not in the log; ids are in the answers of /predict, and a prediction "
            "reaches the log about a second after its answer"
        )
    record = context.records.by_artifact(prediction.artifact)
    spans = history(context, prediction.model, prediction.environment, at=prediction.at)
    return Trace(
        prediction=prediction,
        span=spans[0] if spans else None,
        record=record,
        run_url=context.records.run_url(record.run_id) if record else "",
    )
