"""What the explanation of an answer costs, beside scoring it and beside the boosters' own explanations.

The same trees are explained by our tables and by the library that made them (LightGBM's `pred_contrib`, XGBoost's
`pred_contribs`), on one thread, one row and 200 rows at a time. Peers start from a matrix, we from named inputs.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import lightgbm
import numpy as np
import xgboost
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from benchmarks import outcome
from bighead_ci.documents.artifact import ArtifactInput, ArtifactManifest
from bighead_ci.documents.target import Target
from bighead_ci.ports.scorer import ExplainingScorer, Scorer
from bighead_ci.scorers.registry import LOADERS
from bighead_ci.transforms.table_compiler import trees

ROWS, INPUTS, TOGETHER, REPEATS = 20_000, 24, 200, 15
NAMES = [f"x{place}" for place in range(INPUTS)]
MODELS: dict[str, Callable[[], Any]] = {
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=100, min_samples_leaf=60),
    "lightgbm": lambda: lightgbm.LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1),
    "xgboost": lambda: xgboost.XGBClassifier(n_estimators=100, n_jobs=1),
    "forest": lambda: RandomForestClassifier(100, n_jobs=1),
}


def milliseconds(call: Callable[[], Any], rows: int) -> float:
    """A row, the median of some calls."""
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return round(median(taken) * 1000 / rows, 3)


def loaded(model: Any) -> tuple[Scorer, ExplainingScorer]:
    """What serves a fitted model, in both its parts."""
    manifest = ArtifactManifest(
        model="m",
        version="v1",
        target=Target(task="binary", outputs=["0", "1"]),
        inputs=[ArtifactInput(name=name, type="float64") for name in NAMES],
        request={},
        features=[],
        feature_keys={},
        kind="trees",
    )
    with tempfile.TemporaryDirectory() as directory:
        for name, content in trees(model, manifest, {}).files.items():
            (Path(directory) / name).write_bytes(content)
        scorer = LOADERS["trees"](Path(directory), manifest)
    assert isinstance(scorer, ExplainingScorer)  # noqa: S101 - kind `trees` is
    return scorer, scorer


def peer(model: Any, matrix: Any) -> Callable[[], Any] | None:
    """How the library explains a matrix itself."""
    if hasattr(model, "booster_"):
        return lambda: model.booster_.predict(matrix, pred_contrib=True, num_threads=1)
    if hasattr(model, "get_booster"):
        return lambda: model.get_booster().predict(xgboost.DMatrix(matrix, nthread=1), pred_contribs=True)
    return None


def measure() -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """Every model, one row and many."""
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(ROWS, INPUTS))
    matrix[generator.random(matrix.shape) < 0.1] = np.nan
    known = np.nan_to_num(matrix)
    noise = generator.normal(size=ROWS)
    labels = (known @ generator.normal(size=INPUTS) + known[:, 0] * known[:, 1] + noise > 0).astype(np.int64)
    figures: dict[str, Any] = {}
    for name, make in MODELS.items():
        model = make().fit(matrix, labels)
        scorer, explainer = loaded(model)
        row = dict(zip(NAMES, matrix[0].tolist(), strict=True))
        started = time.perf_counter()
        figures[f"{name}: numbers a row goes through"] = explainer.explained_cells()
        figures[f"{name}: first explanation, ms"] = round((time.perf_counter() - started) * 1000, 1)
        figures[f"{name}: scoring one row, ms"] = milliseconds(partial(scorer.score_row, row), 1)
        for rows in (1, TOGETHER) if name != "forest" else (1,):
            some = {column: matrix[:rows, place] for place, column in enumerate(NAMES)}
            key = f"{name}: explaining, ms a row of {rows}"
            figures[key] = milliseconds(partial(explainer.explain, some), rows)
            if (theirs := peer(model, matrix[:rows])) is not None:
                figures[f"{key}, by the library"] = milliseconds(theirs, rows)
    return figures, {"one row of 100 trees of 31 leaves, ms": (figures["histogram: explaining, ms a row of 1"], 2.0)}


if __name__ == "__main__":
    outcome.run("explain", "What explaining an answer costs.", measure)
