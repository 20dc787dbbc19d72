"""Gradient boosted trees for the expected minutes, and for each quantile of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from bighead_ci.transforms.value_and_quantiles import ValueAndQuantiles

CATEGORIES = ["carrier", "origin"]
QUANTILES = [0.1, 0.5, 0.9]
"""As model.yaml asks for them."""


def build(parameters: Mapping[str, Any]) -> Pipeline:
    """The untrained pipeline. A missing feature stays missing: trees learn where to send it."""
    columns = ColumnTransformer(
        [("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), CATEGORIES)],
        remainder="passthrough",
    )

    def trees(**loss: Any) -> HistGradientBoostingRegressor:
        return HistGradientBoostingRegressor(
            learning_rate=parameters["learning_rate"],
            max_iter=parameters["trees"],
            max_leaf_nodes=parameters["leaves"],
            min_samples_leaf=parameters["least_leaf_rows"],
            early_stopping=False,
            random_state=0,
            **loss,
        )

    minutes = ValueAndQuantiles(trees(), [trees(loss="quantile", quantile=level) for level in QUANTILES])
    return Pipeline([("columns", columns), ("minutes", minutes)])
