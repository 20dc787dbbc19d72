"""Prediction → variant → artifact → run → training set → features → commit."""

from __future__ import annotations

from bighead_ci.delivery.context import Context
from bighead_ci.delivery.history import ServedSpan, history
from bighead_ci.delivery.prediction_explanation import explanation_of
from bighead_ci.documents.base import Document
from bighead_ci.documents.explanation import Explanation
from bighead_ci.documents.live import Prediction
from bighead_ci.documents.record import RunRecord
from bighead_ci.errors import InputError


class Trace(Document):
    """Where one prediction came from."""

    prediction: Prediction
    span: ServedSpan | None
    """The newest word of main before the prediction that names its artifact: routers follow main within seconds.

    If none does, what main said then; None when the prediction is older than the release's history.
    """
    record: RunRecord | None
    missing: str
    """Why there is no record, if so."""
    explanation: Explanation | None = None
    """What each input added to the answer, if that was asked for."""
    run_url: str
    """Empty: no server shows the run, but `run_command` does."""
    run_command: str

    @property
    def run(self) -> str:
        """The run that git or the records name; empty when neither knows."""
        variants = self.span.release.variants if self.span and self.span.release else []
        named = next((v.run for v in variants if v.artifact == self.prediction.artifact), "")
        return self.record.run_id if self.record else named


def trace(context: Context, prediction_id: str, *, explained: bool = False) -> Trace:
    """Follow a prediction back to the commit that made its model.

    Raises:
        InputError: no prediction of that id is in the log, or it cannot be explained.
    """
    prediction = context.predictions.find(prediction_id)
    if prediction is None:
        raise InputError(
            f"prediction {prediction_id!r} is not in the log; ids are in the answers of /predict, and a prediction "
            "reaches the log about a second after its answer"
        )
    before = [s for s in history(context, prediction.model, prediction.environment) if s.since <= prediction.at]
    found = [(s, v) for s in before if s.release for v in s.release.variants if v.artifact == prediction.artifact]
    record, missing = None, "no record has this artifact"
    try:
        # Records may share an artifact: the one that the release named comes first.
        record = context.records.by_run(found[0][1].run) if found else None
        record = record or context.records.by_artifact(prediction.artifact)
    except InputError as error:
        missing = str(error)
    return Trace(
        prediction=prediction,
        span=found[0][0] if found else before[0] if before else None,
        record=record,
        missing="" if record else missing,
        explanation=explanation_of(context, prediction) if explained else None,
        run_url=context.records.run_url(record.run_id) if record else "",
        run_command=context.records.run_command(record.run_id) if record else "",
    )
