"""From a fitted pipeline to kinds `trees` and `linear`: the row plan before the model, and the model's tables."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.base import canonical_json
from bighead_ci.errors import InputError
from bighead_ci.scorers.inputs import typed_columns
from bighead_ci.scorers.row_plan import Plan, RowPlan
from bighead_ci.scorers.table import ARRAYS, DOCUMENT, TableDocument
from bighead_ci.scorers.trees import TreesDocument
from bighead_ci.transforms.boosters import lightgbm_forest, xgboost_forest
from bighead_ci.transforms.columns import Columns, row_count
from bighead_ci.transforms.compiler import Compiled
from bighead_ci.transforms.forest import Forest
from bighead_ci.transforms.linear_models import weights_of
from bighead_ci.transforms.plan_compiler import Column, Ends, PlanCompiler, Slot, Text
from bighead_ci.transforms.sklearn_trees import forest_of
from bighead_ci.transforms.value_and_quantiles import ValueAndQuantiles

Floats = npt.NDArray[np.float64]


BACKGROUND = 10_000
"""Training rows, evenly spaced, whose mean is the base that a weighted sum is explained from."""


def trees(estimator: Any, manifest: ArtifactManifest, _training: Columns) -> Compiled:
    """Kind `trees`.

    Raises:
        InputError: the model is no ensemble of trees that we read, or a step before it has no compiled form.
    """
    before, model = _split(estimator)
    plan = PlanCompiler(manifest.inputs)
    columns = plan.apply(before, plan.columns()) if before is not None else plan.columns()
    forest = _forest(model)
    columns = _categorical(plan, model, columns)
    arrays, depth = forest.arrays(len(columns))
    document = TreesDocument(
        plan=plan.plan(columns), link=forest.link, depth=depth, narrow=forest.narrow,
        zero_is_missing=forest.zero_is_missing,
    )  # fmt: skip
    return Compiled("trees", _files(document, plan, arrays))


def linear(estimator: Any, manifest: ArtifactManifest, training: Columns) -> Compiled:
    """Kind `linear`.

    Raises:
        InputError: the model is no weighted sum, or a step before it has no compiled form.
    """
    before, model = _split(estimator)
    found = weights_of(model)
    if found is None:
        raise InputError(f"{type(model).__name__} is no weighted sum")
    weights, intercepts, link = found
    plan = PlanCompiler(manifest.inputs)
    columns = plan.apply(before, plan.columns()) if before is not None else plan.columns()
    document = TableDocument(plan=plan.plan(columns), link=link)
    means = _means(document.plan, plan, manifest, training)
    return Compiled("linear", _files(document, plan, {"weights": weights, "intercepts": intercepts, "means": means}))


def _means(plan: Plan, compiler: PlanCompiler, manifest: ArtifactManifest, training: Columns) -> Floats:
    """Of the vectors of training rows, those aside that have an infinity."""
    rows = row_count(training)
    chosen = np.linspace(0, rows - 1, min(rows, BACKGROUND)).astype(np.int64)
    some = {name: values[chosen] for name, values in training.items()}
    read = typed_columns(manifest.inputs, some, f"{manifest.model}/{manifest.version}")
    matrix = RowPlan(plan, compiler.arrays, manifest.inputs).rows(read)
    finite = matrix[np.isfinite(matrix).all(axis=1)]
    return finite.mean(axis=0) if len(finite) else np.zeros(matrix.shape[1])


def _split(estimator: Any) -> tuple[Any, Any]:
    """What comes before the model, and the model."""
    if not isinstance(estimator, Pipeline):
        return None, estimator
    before, model = estimator[:-1], estimator[-1]
    if isinstance(model, Pipeline):
        inner, last = _split(model)
        return Pipeline([("outer", before), ("inner", inner)]), last
    return (before if len(before) else None), model


def _forest(model: Any) -> Forest:
    if isinstance(model, ValueAndQuantiles):
        return _side_by_side([_forest(one) for one in model.fitted_])
    owner = type(model).__module__.split(".")[0]
    if owner == "xgboost" and hasattr(model, "get_booster"):
        return xgboost_forest(model)
    if owner == "lightgbm" and hasattr(model, "booster_"):
        return lightgbm_forest(model)
    found = forest_of(model)
    if found is None:
        raise InputError(f"{type(model).__name__} is no ensemble of trees that has a table")
    return found


def _side_by_side(forests: Sequence[Forest]) -> Forest:
    """One output a forest."""
    if any(one.link != "identity" or len(one.base) != 1 or one.narrow != forests[0].narrow for one in forests):
        raise InputError("regressors of different kinds side by side have no table")
    trees = [
        type(tree)(**(vars(tree) | {"output": output})) for output, one in enumerate(forests) for tree in one.trees
    ]
    return Forest(trees, np.concatenate([one.base for one in forests]), "identity", narrow=forests[0].narrow)


def _categorical(plan: PlanCompiler, model: Any, columns: list[Column]) -> list[Column]:
    """Columns as the model's trees take them: its own encoder's, or codes of categoricals."""
    own = getattr(model, "_preprocessor", None)
    if own is not None:
        return plan.apply(own, columns)
    if type(model).__module__.split(".")[0] not in ("xgboost", "lightgbm"):
        return columns
    return [_codes(plan, column) if isinstance(column, Text) else column for column in columns]


def _codes(plan: PlanCompiler, column: Text) -> Slot:
    if column.categories is None:
        raise InputError(f"the model takes text as it is ({column.name})")
    rows = np.array([*range(len(column.categories)), np.nan, np.nan], dtype=np.float64)[:, None]
    (slot,) = plan.lookup(column, column.categories, rows, ends=Ends(unknown=True, missing=True))
    return slot  # type: ignore[return-value] # of one column


def _files(document: TableDocument, plan: PlanCompiler, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, bytes]:
    packed = io.BytesIO()
    named: dict[str, Any] = plan.arrays | arrays
    np.savez(packed, **named)
    return {DOCUMENT: canonical_json(document.model_dump(mode="json")).encode() + b"\n", ARRAYS: packed.getvalue()}
