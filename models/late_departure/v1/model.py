"""Gradient boosted trees by LightGBM: categories and missing values as the library decides them.

It is served as tables (kind `trees`), without LightGBM: only training.lock has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightgbm import LGBMClassifier


def build(parameters: Mapping[str, Any]) -> LGBMClassifier:
    """The untrained classifier. Columns that are pandas categoricals are split by sets of their values.

    The engine gives `fit` the rows that model.yaml's `validation` keeps; `patience` counts trees without a gain there.
    """
    return LGBMClassifier(
        n_estimators=parameters["most_trees"],
        early_stopping_round=parameters["patience"],
        learning_rate=parameters["learning_rate"],
        num_leaves=parameters["leaves"],
        min_child_samples=parameters["least_leaf_rows"],
        # The same rows give the same trees, on any number of processors.
        deterministic=True,
        force_row_wise=True,
        random_state=0,
        verbose=-1,
    )
