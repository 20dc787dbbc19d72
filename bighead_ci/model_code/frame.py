"""The frame that models are fitted on and asked with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
import pandas as pd

from bighead_ci.documents.artifact import ArtifactInput


def estimator_frame(columns: Mapping[str, npt.NDArray[Any]], inputs: Sequence[ArtifactInput] = ()) -> pd.DataFrame:
    """The frame that `fit` and `predict_proba` get: a column an input.

    A list input is a column of arrays. An input that says `categories` is a pandas categorical of these, in which any
    other text is missing.
    """
    categories = {item.name: item.categories for item in inputs}
    return pd.DataFrame({name: _column(values, categories.get(name)) for name, values in columns.items()})


def _column(values: npt.NDArray[Any], categories: Sequence[str] | None) -> Any:
    if values.ndim > 1:
        return pd.Series(list(values), dtype=object)
    return values if categories is None else pd.Categorical(values, categories=list(categories))
