"""Weights and validation rows reach the estimator by its library's names, or somebody is told that they cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from bighead_ci.errors import InputError
from bighead_ci.model_code.code import ModelCode
from bighead_ci.model_code.fitting import fit
from bighead_ci.model_code.training_data import Rows, TrainingData


@pytest.fixture
def code(tmp_path: Path) -> ModelCode:
    """Of whoever is blamed."""
    (tmp_path / "model.py").write_text("def build(p): ...\n")
    return ModelCode(tmp_path, "models/late/v1")


def rows(count: int, seed: int, *, weighted: bool) -> Rows:
    """Noise with a little to learn: more trees fit the noise."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": random.normal(size=count), "b": random.normal(size=count)})
    label = (frame["a"].to_numpy() + random.normal(0, 2, count) > 0).astype(np.int64)
    return Rows(frame, label, random.uniform(0, 1, count) if weighted else None, None)


def data(*, weighted: bool = False, validated: bool = False) -> TrainingData:
    """Rows to train on, and some to stop by."""
    train = rows(400, 0, weighted=weighted)
    validation = rows(200, 1, weighted=weighted) if validated else None
    return TrainingData(train.frame, train.label, train.weights, None, validation, "binary", ["0", "1"], 0)


def test_weights_reach_the_last_step_of_a_pipeline(code: ModelCode) -> None:
    """What is learned is what the library learns when it is told by hand."""
    given = data(weighted=True)
    pipeline = Pipeline([("scale", StandardScaler()), ("classify", LogisticRegression())])
    by_hand = Pipeline([("scale", StandardScaler()), ("classify", LogisticRegression())])
    fit(pipeline, given, code)
    by_hand.fit(given.frame, given.label, classify__sample_weight=given.weights)
    assert pipeline[-1].coef_.tolist() == by_hand[-1].coef_.tolist()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("estimator", "rounds"),
    [
        (HistGradientBoostingClassifier(max_iter=300, early_stopping=True, n_iter_no_change=5), lambda m: m.n_iter_),
        (XGBClassifier(n_estimators=300, early_stopping_rounds=5, n_jobs=1), lambda m: m.best_iteration),
        (LGBMClassifier(n_estimators=300, n_jobs=1, verbose=-1, early_stopping_round=5), lambda m: m.best_iteration_),
    ],
    ids=["scikit-learn", "xgboost", "lightgbm"],
)
@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")
def test_boosters_stop_early_on_the_validation_rows(
    code: ModelCode, estimator: Any, rounds: Any, weighted: bool
) -> None:
    """Inside a pipeline, which transforms these rows, too."""
    pipeline = Pipeline([("scale", StandardScaler().set_output(transform="pandas")), ("boost", estimator)])
    fit(pipeline, data(weighted=weighted, validated=True), code)
    assert 0 < rounds(pipeline[-1]) < 100
    assert pipeline.predict_proba(data().frame).shape == (400, 2)


def test_rows_that_fit_cannot_take_are_refused(code: ModelCode) -> None:
    """Both at once, by the estimator's name and its place in model.py."""
    with pytest.raises(InputError) as caught:
        fit(KNeighborsClassifier(), data(weighted=True, validated=True), code)
    assert "models/late/v1/model.py:1: build: fit of KNeighborsClassifier takes no sample_weight" in str(caught.value)
    assert "fit of KNeighborsClassifier takes no X_val or eval_set: leave `validation` out" in str(caught.value)
