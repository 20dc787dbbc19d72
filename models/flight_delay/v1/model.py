"""Logistic regression on the schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

CATEGORIES = ["carrier", "origin"]
CALENDAR = ["hour", "weekday", "month"]
NUMBERS = ["distance"]


def build(parameters: Mapping[str, Any]) -> Pipeline:
    """The untrained pipeline; `regularisation` is the inverse strength C."""
    columns = ColumnTransformer(
        [
            ("categories", OneHotEncoder(handle_unknown="ignore"), CATEGORIES),
            ("calendar", OneHotEncoder(handle_unknown="ignore"), CALENDAR),
            ("numbers", StandardScaler(), NUMBERS),
        ]
    )
    classifier = LogisticRegression(C=parameters["regularisation"], max_iter=500)
    return Pipeline([("columns", columns), ("classifier", classifier)])
