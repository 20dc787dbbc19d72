"""Types of objects inside estimators that nobody has to review: what scikit-learn's own estimators are made of.

skops trusts public estimators and leaves open what they hold inside. These modules were read for it: nothing in them
opens a file, runs a program or evaluates text, whatever arguments it is made with. What an arbitrary state could still
do is crash the process that loads it (`Tree` believes its arrays); artifacts are loaded by the digest that training
recorded, in the process of the version's own code.
"""

from __future__ import annotations

from collections.abc import Iterable

_TYPES = frozenset(
    {
        "numpy.dtype",
        "numpy.mean",
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "scipy.interpolate._bsplines.BSpline",
        "scipy.sparse._csr.csr_array",
        "scipy.sparse._csr.csr_matrix",
    }
)
_MODULES = frozenset(
    {
        "sklearn._loss.loss",
        "sklearn.calibration",
        "sklearn.cluster._bisect_k_means",
        "sklearn.cluster._kmeans",
        "sklearn.ensemble._hist_gradient_boosting.predictor",
        "sklearn.feature_selection._univariate_selection",
        "sklearn.gaussian_process._gpc",
        "sklearn.gaussian_process.kernels",
        "sklearn.metrics._classification",
        "sklearn.metrics._dist_metrics",
        "sklearn.metrics._ranking",
        "sklearn.metrics._regression",
        "sklearn.metrics._scorer",
        "sklearn.model_selection._split",
        "sklearn.multiclass",
        "sklearn.neighbors._ball_tree",
        "sklearn.neighbors._kd_tree",
        "sklearn.neural_network._stochastic_optimizers",
        "sklearn.tree._tree",
        "sklearn.utils._bunch",
        "sklearn.utils._metadata_requests",
    }
)


def unreviewed(types: Iterable[str], trusted: Iterable[str]) -> list[str]:
    """Those of the types, by their full names, that neither this list nor model.yaml's trusts, sorted."""
    known = {*_TYPES, *trusted}
    return sorted(name for name in types if name not in known and name.rpartition(".")[0] not in _MODULES)
