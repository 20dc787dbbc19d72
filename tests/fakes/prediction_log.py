"""A `PredictionLog` in memory."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from bighead_ci.documents.live import Prediction


class MemoryPredictionLog:
    """Predictions by id; a test adds them as a model's process would."""

    def __init__(self) -> None:
        self._known: dict[str, Prediction] = {}

    def add(self, prediction: Prediction) -> None:
        """Log a prediction; one of the same id takes its place."""
        self._known[prediction.prediction_id] = prediction

    def find(self, prediction_id: str) -> Prediction | None:
        """One prediction."""
        return self._known.get(prediction_id)

    def inputs(self, environment: str, model: str, artifact: str, limit: int) -> pa.Table:
        """Inputs of an artifact's latest predictions, the latest first."""
        place = (environment, model, artifact)
        found = [one for one in self._known.values() if (one.environment, one.model, one.artifact) == place]
        latest = sorted(sorted(found, key=lambda one: one.prediction_id), key=lambda one: one.at, reverse=True)
        rows = [one.inputs for one in latest[:limit]]
        names = list(dict.fromkeys(name for row in rows for name in row))
        return pa.table({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except pa.ArrowInvalid:
        return pa.array([None if value is None else float(value) for value in values])
