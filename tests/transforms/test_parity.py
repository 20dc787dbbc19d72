"""A small part of `python -m benchmarks.parity`: artifacts from disk against their estimators on rows held out."""

from __future__ import annotations

import pytest

from benchmarks.parity import Found, become
from benchmarks.parity_estimators import Case, booster_cases, scikit_learn_cases

CASES = {
    "ARDRegression, regression, scaled, one-hot": "linear",
    "CategoricalNB, binary, counts": "",
    "ExtraTreeClassifier, multiclass, imputed, ordinal": "trees",
    "GaussianNB, binary, bare": "",
    "HistGradientBoostingRegressor, regression, bare": "trees",
    "KNeighborsRegressor, regression, counts": "python",
    "LinearDiscriminantAnalysis, binary, rare, target means": "linear",
    "LogisticRegression, multiclass, bare": "",
    "MLPRegressor, regression, one number": "",
    "OneVsRestClassifier, multiclass, bare": "python",
    "PoissonRegressor, regression, imputed, ordinal": "linear",
    "RandomForestClassifier, binary, rare, target means": "trees",
    "LGBMClassifier, multiclass, categories": "trees",
    "XGBClassifier, binary, categories": "trees",
    "XGBRanker, ranking, categories": "trees",
    "LGBMRanker, ranking, whole numbers": "trees",
}
"""What they must become; where nothing is said, whatever answers alike."""


def cases() -> dict[str, Case]:
    learnt = [case for several in scikit_learn_cases() for case in several]
    return {case.name: case for case in (*learnt, *booster_cases())}


@pytest.fixture(scope="module")
def known() -> dict[str, Case]:
    return cases()


@pytest.mark.parametrize("name", CASES)
def test_no_row_is_scored_otherwise_than_by_the_estimator(name: str, known: dict[str, Case]) -> None:
    """Nor is one answered that the server lets through and the estimator refuses."""
    found: Found = become(known[name])
    assert (found.differing, found.answered_where_it_raises) == (0, 0), found.example
    assert found.rows > 500
    assert found.kind == CASES[name] or (not CASES[name] and found.kind != "none"), found.refused
