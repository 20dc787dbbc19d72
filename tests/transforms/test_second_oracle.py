"""Our tables of trees against those of treelite, which reads the same models by code that we did not write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
import treelite
import xgboost
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)

from bighead_ci.delivery.stages.compiling import compiled
from bighead_ci.documents.artifact import ArtifactInput, ArtifactManifest
from bighead_ci.documents.target import Target
from bighead_ci.model_code.code import ModelCode
from bighead_ci.model_code.frame import estimator_frame
from bighead_ci.ports.scorer import Scorer
from bighead_ci.transforms.adversarial import adversarial_rows
from bighead_ci.transforms.columns import Columns
from bighead_ci.transforms.compilers import COMPILERS

ROWS = 500
INPUTS = [ArtifactInput(name=name, type="float64") for name in ("x", "y", "z")]
READS_OTHERWISE = (1e-34, 1e300)
"""Magnitudes below and beyond which treelite knows nothing of LightGBM's zero and its infinite thresholds."""


def from_sklearn(model: Any) -> treelite.Model:
    return treelite.sklearn.import_model(model)


def from_xgboost(model: Any) -> treelite.Model:
    return treelite.frontend.from_xgboost(model.get_booster())


def from_lightgbm(model: Any) -> treelite.Model:
    return treelite.frontend.from_lightgbm(model.booster_)


NARROW, WIDE = np.float32, np.float64
MODELS: Mapping[str, tuple[Callable[[], Any], Callable[[Any], treelite.Model], Any]] = {
    "forest": (lambda: RandomForestClassifier(8, random_state=0), from_sklearn, NARROW),
    "extra trees": (lambda: ExtraTreesRegressor(8, random_state=0), from_sklearn, NARROW),
    "boosted": (lambda: GradientBoostingClassifier(n_estimators=8, random_state=0), from_sklearn, NARROW),
    "histogram": (lambda: HistGradientBoostingClassifier(max_iter=8), from_sklearn, WIDE),
    "histogram values": (lambda: HistGradientBoostingRegressor(max_iter=8), from_sklearn, WIDE),
    "xgboost": (lambda: xgboost.XGBClassifier(n_estimators=8, n_jobs=1), from_xgboost, NARROW),
    "xgboost values": (lambda: xgboost.XGBRegressor(n_estimators=8, n_jobs=1), from_xgboost, NARROW),
    "lightgbm": (lambda: lightgbm.LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1), from_lightgbm, WIDE),
    "lightgbm values": (lambda: lightgbm.LGBMRegressor(n_estimators=8, verbose=-1, n_jobs=1), from_lightgbm, WIDE),
}
"""How it is made, how treelite reads it, and which floats the library compares."""


def rows(*, nulls: bool) -> Columns:
    generator = np.random.default_rng(0)
    made: Columns = {item.name: generator.normal(size=ROWS) * 10**place for place, item in enumerate(INPUTS)}
    if nulls:
        for values in made.values():
            values[generator.random(ROWS) < 0.1] = np.nan
    return made


def table(model: Any, task: str, directory: Path, seen: Columns) -> Scorer:
    (directory / "model.py").write_text("def build(parameters): ...\n")
    outputs = {"binary": ["0", "1"], "multiclass": ["0", "1", "2"], "regression": ["value"]}[task]
    manifest = ArtifactManifest(
        model="m", version="v1", target=Target(task=task, outputs=outputs), inputs=INPUTS, request={}, features=[],
        feature_keys={},
    )  # fmt: skip
    code = ModelCode(directory, "models/m/v1")
    (way,) = [one for one in compiled(COMPILERS)(model, manifest, code, seen) if one.name == "trees"]
    return way.make(model, manifest, code).scorer


def answers(model: treelite.Model, matrix: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Treelite's, both classes of two; it asks for the floats that it keeps thresholds in."""
    kind = np.float32 if model.input_type == "float32" else np.float64
    found = np.asarray(treelite.gtil.predict(model, matrix.astype(kind)), dtype=np.float64)
    return found.reshape(len(matrix), -1)


CASES = [
    (name, task)
    for name, (make, _, _) in MODELS.items()
    for task in (("binary", "multiclass") if hasattr(make(), "predict_proba") else ("regression",))
]


@pytest.mark.parametrize(("name", "task"), CASES)
def test_treelite_gives_the_same_scores(tmp_path: Path, name: str, task: str) -> None:
    """On both sides of every threshold, for missing numbers, and for large and small ones."""
    make, read, kind = MODELS[name]
    model = make()
    seen = rows(nulls=name != "boosted")  # scikit-learn's classic booster takes no missing number
    level = np.nan_to_num(seen["x"]) + np.nan_to_num(seen["y"], nan=7) / 10
    labels = {"binary": np.digitize(level, [0.4]), "multiclass": np.digitize(level, [0.0, 0.8]), "regression": level}
    model.fit(estimator_frame(seen), labels[task])
    ours, theirs = table(model, task, tmp_path, seen), read(model)
    for odd in adversarial_rows(model, ours.score, INPUTS, seen):
        matrix = np.column_stack([odd.columns[item.name] for item in INPUTS])
        with np.errstate(over="ignore"):
            matrix = matrix.astype(kind).astype(np.float64)
        size = np.abs(matrix)
        asked = ((size == 0) | np.isnan(size) | ((size > READS_OTHERWISE[0]) & (size < READS_OTHERWISE[1]))).all(axis=1)
        asked &= (name != "boosted") | ~np.isnan(matrix).any(axis=1)
        if not asked.any():
            continue
        found = ours.score({item.name: matrix[asked, place] for place, item in enumerate(INPUTS)})
        wanted = answers(theirs, matrix[asked])
        if wanted.shape[1] == 1 and found.shape[1] == 2:
            found = found[:, 1:]
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
