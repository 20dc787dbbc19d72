"""Gradient boosted trees by XGBoost: categories and missing values as the library decides them.

It is served as tables (kind `trees`), without XGBoost: only training.lock has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xgboost import XGBRegressor


def build(parameters: Mapping[str, Any]) -> XGBRegressor:
    """The untrained regressor.

    The engine gives `fit` the rows that model.yaml's `validation` keeps; `patience` counts trees without a gain there.
    """
    return XGBRegressor(
        n_estimators=parameters["most_trees"],
        early_stopping_rounds=parameters["patience"],
        learning_rate=parameters["learning_rate"],
        max_depth=parameters["depth"],
        tree_method="hist",
        enable_categorical=True,
        random_state=0,
    )
