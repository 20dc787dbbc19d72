"""Regressors side by side: one for the value, one for each quantile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from skl2onnx import update_registered_converter
from skl2onnx._parse import _get_sklearn_operator_name
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import BaseEstimator, RegressorMixin, clone


class ValueAndQuantiles(RegressorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn publishes no types
    """`predict` gives a column each, in the order of `quantiles` in model.yaml after the value.

    A pipeline's last step: what comes before it is fitted once for all. Each regressor is told its own loss:

        quantiles = [HistGradientBoostingRegressor(loss="quantile", quantile=q) for q in (0.1, 0.5, 0.9)]
        ValueAndQuantiles(HistGradientBoostingRegressor(), quantiles)
    """

    def __init__(self, value: Any, quantiles: Sequence[Any]) -> None:
        """Keep the regressors as they are; `fit` fits copies."""
        self.value = value
        self.quantiles = quantiles

    def fit(self, rows: Any, truth: npt.NDArray[np.float64]) -> Self:
        """Fit each on the same rows."""
        self.fitted_ = [clone(one).fit(rows, truth) for one in (self.value, *self.quantiles)]
        return self

    def predict(self, rows: Any) -> npt.NDArray[np.float64]:
        """Shape (rows, 1 + quantiles)."""
        return np.column_stack([one.predict(rows) for one in self.fitted_])


def register() -> None:
    """Make skl2onnx know it."""
    update_registered_converter(ValueAndQuantiles, "BigheadValueAndQuantiles", _shape, _convert)


def _shape(operator: Any) -> None:
    operator.outputs[0].type = FloatTensorType([None, len(operator.raw_operator.fitted_)])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    columns = []
    for one in operator.raw_operator.fitted_:
        inner = scope.declare_local_operator(_get_sklearn_operator_name(type(one)), raw_model=one)
        inner.inputs.extend(operator.inputs)
        value = scope.declare_local_variable("value", FloatTensorType([None, 1]))
        inner.outputs.append(value)
        columns.append(value.full_name)
    output = operator.outputs[0].full_name
    container.add_node("Concat", columns, output, axis=1, name=scope.get_unique_operator_name("Concat"), op_version=13)
