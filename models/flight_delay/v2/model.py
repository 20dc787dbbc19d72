"""Gradient boosted trees on the schedule, recent punctuality and the weather."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

CATEGORIES = ["carrier", "origin"]


def build(parameters: Mapping[str, Any]) -> Pipeline:
    """The untrained pipeline. A missing feature stays missing: trees learn where to send it."""
    columns = ColumnTransformer(
        [("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), CATEGORIES)],
        remainder="passthrough",
    )
    trees = HistGradientBoostingClassifier(
        learning_rate=parameters["learning_rate"],
        max_iter=parameters["trees"],
        max_leaf_nodes=parameters["leaves"],
        min_samples_leaf=parameters["least_leaf_rows"],
        l2_regularization=parameters["l2"],
        early_stopping=False,
        random_state=0,
    )
    return Pipeline([("columns", columns), ("classifier", trees)])
