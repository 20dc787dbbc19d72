"""The frame that estimators are fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import pandas as pd


def estimator_frame(columns: Mapping[str, npt.NDArray[Any]]) -> pd.DataFrame:
    """The frame that `fit` and `predict_proba` get: a column an input; a list input is a column of float32 arrays."""
    return pd.DataFrame(
        {
            name: values if values.ndim == 1 else pd.Series(list(values), dtype=object)
            for name, values in columns.items()
        }
    )
