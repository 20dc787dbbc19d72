"""scikit-learn's linear models as weights, intercepts and a link."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import (
    GammaRegressor,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    SGDClassifier,
    TweedieRegressor,
)

from bighead_ci.errors import InputError
from bighead_ci.scorers.links import Link

TWO = 2


def weights_of(model: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Link] | None:
    """(features, raw) weights, intercepts and the link; None of a model that is no weighted sum.

    Raises:
        InputError: it is one, but its probabilities are made otherwise.
    """
    if not hasattr(model, "coef_") or not hasattr(model, "intercept_") or hasattr(model, "support_vectors_"):
        return None
    weights = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64))
    intercepts = np.atleast_1d(np.asarray(model.intercept_, dtype=np.float64))
    return weights.T, np.broadcast_to(intercepts, (len(weights),)).copy(), _link(model, len(weights))


def _link(model: Any, raw: int) -> Link:
    if isinstance(model, PoissonRegressor | GammaRegressor):
        return "exp"
    if isinstance(model, TweedieRegressor):
        return "exp" if model.link == "log" or (model.link == "auto" and model.power > 0) else "identity"
    if not hasattr(model, "classes_"):
        return "identity"
    if raw == 1 and isinstance(model, LogisticRegression | LogisticRegressionCV | LinearDiscriminantAnalysis):
        return "sigmoid"
    if raw == 1 and isinstance(model, SGDClassifier) and model.loss == "log_loss":
        return "sigmoid"
    one_by_one = getattr(model, "solver", "") == "liblinear"
    known = isinstance(model, LogisticRegression | LogisticRegressionCV | LinearDiscriminantAnalysis)
    if raw > TWO and known and not one_by_one:
        return "softmax"
    raise InputError(f"{type(model).__name__} makes probabilities of its sums in a way that has no compiled form")
