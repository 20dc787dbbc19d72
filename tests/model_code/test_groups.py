"""Lists of candidates reach the estimators that know them, and no row of a list is apart from the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMRanker
from sklearn.linear_model import Ridge
from sklearn.metrics import ndcg_score
from xgboost import XGBRanker

from bighead_ci.model_code.code import ModelCode
from bighead_ci.model_code.fitting import fit
from bighead_ci.model_code.training_data import Rows, TrainingData


@pytest.fixture
def code(tmp_path: Path) -> ModelCode:
    (tmp_path / "model.py").write_text("def build(parameters): ...\n")
    return ModelCode(tmp_path, "models/m/v1")


def lists(count: int, seed: int) -> Rows:
    """Eight candidates a list, whose grade follows one column less the list's own level."""
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(count), 8).astype(str).astype(object)
    level = np.repeat(random.normal(0, 10, count), 8)
    better = random.normal(0, 1, count * 8)
    frame = pd.DataFrame({"better": better + level, "level": level})
    return Rows(frame, (better > 0.5).astype(float) + (better > 1.2), None, groups)


@pytest.mark.parametrize("validated", [True, False])
@pytest.mark.parametrize(
    "estimator",
    [
        LGBMRanker(n_estimators=60, min_child_samples=5, verbose=-1),
        XGBRanker(n_estimators=60),
        Ridge(),
    ],
    ids=lambda one: type(one).__name__,
)
def test_rankers_learn_from_lists(estimator: Any, validated: bool, code: ModelCode) -> None:
    """By the names that each library has for them, validation lists too; one that knows none learns the grades."""
    train, other = lists(200, 0), lists(50, 1)
    validation = lists(40, 2) if validated and not isinstance(estimator, Ridge) else None
    data = TrainingData(
        train.frame, train.label, None, train.groups, validation, task="ranking", outputs=["score"], seed=0
    )
    fit(estimator, data, code)
    scores = estimator.predict(other.frame)
    assert ndcg_score(other.label.reshape(50, 8), scores.reshape(50, 8)) > 0.85
