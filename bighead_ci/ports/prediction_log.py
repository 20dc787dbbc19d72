"""What was predicted, read back."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from bighead_ci.documents.live import Prediction


class PredictionLog(Protocol):
    """Reads the log that serving processes write."""

    def find(self, prediction_id: str) -> Prediction | None:
        """One prediction."""

    def inputs(self, environment: str, model: str, artifact: str, limit: int) -> pa.Table:
        """Estimator inputs of an artifact's latest predictions, a column each, the latest first; empty without any."""
