"""What an estimator refuses is known before it serves, and what it takes scores the same as a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from bighead_ci.documents.artifact import ArtifactInput, InputDomain
from bighead_ci.model_code.frame import estimator_frame
from bighead_ci.transforms.columns import Columns
from bighead_ci.transforms.domains import find_domains, scored_where_taken, within

ROWS = 60
INPUTS = [ArtifactInput(name="carrier", type="string"), ArtifactInput(name="month", type="int64")]
SEEN: Columns = {
    "carrier": np.array(["AA", "UA", "DL"] * (ROWS // 3), dtype=object),
    "month": np.array([1, 2, 4, 7] * (ROWS // 4), dtype=np.float32),
}


def fitted(carrier: Any, month: Any, seen: Columns) -> Pipeline:
    columns = ColumnTransformer([("carrier", carrier, ["carrier"]), ("month", month, ["month"])])
    pipeline = Pipeline([("columns", columns), ("classifier", LogisticRegression())])
    truth = (seen["month"] > 2).astype(np.int64)
    return pipeline.fit(estimator_frame(seen), truth)


def domains(carrier: Any, month: Any, seen: Columns = SEEN) -> list[InputDomain]:
    estimator = fitted(carrier, month, seen)

    def scores(rows: Columns) -> npt.NDArray[np.float64]:
        return np.asarray(estimator.predict_proba(estimator_frame(rows)), dtype=np.float64)

    return find_domains(estimator, scores, INPUTS, seen)


MONTH = InputDomain(input="month", null=False)
CARRIER = InputDomain(input="carrier", null=False, values=["AA", "DL", "UA"])


@pytest.mark.parametrize("encoder", [OneHotEncoder, OrdinalEncoder])
def test_an_encoder_by_default_takes_its_categories_alone(encoder: Any) -> None:
    """Its graph would score anything, or break."""
    assert domains(encoder(), StandardScaler()) == [CARRIER, MONTH]


def test_an_encoder_that_ignores_what_it_does_not_know_takes_any_text() -> None:
    """No bound is noted, a missing text among what it takes."""
    assert domains(OneHotEncoder(handle_unknown="ignore"), StandardScaler()) == [MONTH]


def test_a_missing_text_is_taken_where_rows_had_it() -> None:
    """It is a category like others."""
    seen = SEEN | {"carrier": np.array(["AA", "", "DL"] * (ROWS // 3), dtype=object)}
    expected = InputDomain(input="carrier", null=True, values=["AA", "DL"])
    assert domains(OneHotEncoder(), StandardScaler(), seen) == [expected, MONTH]


def test_categories_that_an_author_lists_are_taken_though_no_row_had_them() -> None:
    """What the estimator takes is what the server takes."""
    listed = OneHotEncoder(categories=[["AA", "B6", "DL", "UA"]])
    assert domains(listed, StandardScaler())[0].values == ["AA", "B6", "DL", "UA"]


def test_a_number_can_be_a_category() -> None:
    """The months that rows had, and no other."""
    found = domains(OneHotEncoder(handle_unknown="ignore"), OneHotEncoder())
    assert found == [InputDomain(input="month", null=False, values=[1.0, 2.0, 4.0, 7.0])]


def test_an_estimator_that_computes_in_float32_takes_nothing_beyond_it() -> None:
    """Trees of scikit-learn raise on it; the bound is noted, and rows beyond it are told from others."""
    seen: Columns = {"x": np.linspace(-1, 1, ROWS), "n": np.arange(ROWS)}
    inputs = [ArtifactInput(name="x", type="float64"), ArtifactInput(name="n", type="int64")]
    estimator = DecisionTreeClassifier(random_state=0).fit(estimator_frame(seen), (seen["x"] > 0).astype(np.int64))
    found = find_domains(estimator, lambda rows: estimator.predict_proba(estimator_frame(rows)), inputs, seen)
    assert [(one.input, one.null, one.largest) for one in found] == [("x", True, float(np.finfo(np.float32).max))]
    rows: Columns = {"x": np.array([1e39, -1e39, 3e38, np.nan]), "n": np.arange(4)}
    assert within(found, rows).tolist() == [False, False, True, True]


def test_a_row_that_is_refused_takes_no_other_with_it() -> None:
    """Each row has its own score, or none."""

    def scores(rows: Columns) -> npt.NDArray[np.float64]:
        if (rows["x"] == 3).any():
            raise ValueError("not three")
        return np.where(rows["x"] == 5, np.nan, rows["x"])[:, None]

    found, taken = scored_where_taken(scores, {"x": np.arange(9.0)}, 1)
    assert np.flatnonzero(~taken).tolist() == [3, 5]
    assert found[taken, 0].tolist() == [0, 1, 2, 4, 6, 7, 8]


def test_of_no_rows_none_are_outside() -> None:
    """An adversarial set may have no row, of a list input as of another."""
    domains = [InputDomain(input="pixels", null=False, largest=1e30), InputDomain(input="carrier", null=False)]
    columns: Columns = {"pixels": np.empty((0, 64)), "carrier": np.empty(0, dtype=object)}
    assert within(domains, columns).tolist() == []
    some: Columns = {
        "pixels": np.array([[0.0, 1.0], [0.0, 1e31], [np.nan, 0.0]]),
        "carrier": np.array(["AA"] * 3, dtype=object),
    }
    assert within(domains, some).tolist() == [True, False, False]
