"""Fits an estimator with weights and validation rows, by the names that libraries have for them."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from bighead_ci.errors import InputError
from bighead_ci.model_code.code import ModelCode
from bighead_ci.model_code.training_data import Rows, TrainingData

_WEIGHTS = "sample_weight"
_VALIDATION_WEIGHTS = ("sample_weight_val", "sample_weight_eval_set", "eval_sample_weight")
"""What scikit-learn, XGBoost and LightGBM call the weights of validation rows."""


def fit(estimator: Any, data: TrainingData, code: ModelCode) -> None:
    """Fit the estimator on the rows.

    Weights go to `fit` as `sample_weight`, validation rows as `X_val`, `y_val` (scikit-learn) or `eval_set` (XGBoost,
    LightGBM), lists of candidates as `qid` (XGBoost) or `group` (LightGBM), of a pipeline to its last step, which gets
    the validation rows as the steps before it transform them.

    Raises:
        InputError: `fit` raised, or it has no such argument: rows that somebody asked for are never left out silently.
    """
    head, final = (estimator[:-1], estimator[-1]) if isinstance(estimator, Pipeline) else (None, estimator)
    names = _arguments(final)
    _check(data, final, names, code)
    with code.blaming("fit"):
        ranks = _groups(names, data)
        if data.weights is None and data.validation is None and not ranks:
            estimator.fit(data.frame, data.label)
            return
        frame, validation = data.frame, data.validation
        if head:
            frame = head.fit_transform(frame, data.label)
        extra: dict[str, Any] = ranks if data.weights is None else {_WEIGHTS: data.weights, **ranks}
        if validation is not None:
            seen = head.transform(validation.frame) if head else validation.frame
            extra |= _validation(names, replace(validation, frame=seen))
            extra |= {f"eval_{name}": [value] for name, value in _groups(names, validation).items()}
        final.fit(frame, data.label, **extra)


def _validation(names: set[str], rows: Rows) -> dict[str, Any]:
    listed = "X_val" not in names
    found: dict[str, Any] = {"X_val": rows.frame, "y_val": rows.label}
    if listed:
        found = {"eval_set": [(rows.frame, rows.label)]}
    weights = next((name for name in _VALIDATION_WEIGHTS if name in names), None)
    if rows.weights is not None and weights is not None:
        found[weights] = [rows.weights] if listed else rows.weights
    return found


def _groups(names: set[str], rows: Rows) -> dict[str, Any]:
    """Lists of candidates as libraries want them, whose rows stand together; nothing for one that knows none."""
    if rows.groups is None:
        return {}
    starts = np.concatenate([[True], rows.groups[1:] != rows.groups[:-1]])
    number = np.cumsum(starts) - 1
    if "qid" in names:  # XGBoost
        return {"qid": number}
    return {"group": np.bincount(number)} if "group" in names else {}  # LightGBM


def _check(data: TrainingData, final: Any, names: set[str], code: ModelCode) -> None:
    kind, problems = type(final).__name__, []
    instead = "; or write train(data, parameters), which gets all rows and does with them what it will"
    if data.weights is not None and _WEIGHTS not in names:
        problems.append(f"fit of {kind} takes no {_WEIGHTS}: leave `weights` out of model.yaml{instead}")
    if data.validation is not None and not names & {"X_val", "eval_set"}:
        problems.append(f"fit of {kind} takes no X_val or eval_set: leave `validation` out of model.yaml{instead}")
    if problems:
        raise InputError(code.problem("build", one) for one in problems)


def _arguments(estimator: Any) -> set[str]:
    try:
        return set(inspect.signature(estimator.fit).parameters)
    except (TypeError, ValueError):  # made in C
        return set()
