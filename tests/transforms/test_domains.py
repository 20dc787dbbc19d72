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

from bighead_ci.documents.artifact import ArtifactInput, ArtifactManifest, InputDomain
from bighead_ci.documents.target import Target
from bighead_ci.errors import InputError
from bighead_ci.model_code.frame import estimator_frame
from bighead_ci.transforms.artifact import Scorer
from bighead_ci.transforms.columns import Columns
from bighead_ci.transforms.domains import find_domains
from bighead_ci.transforms.sklearn_estimator import to_onnx

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

    manifest = ArtifactManifest(
        model="m", version="v1", target=Target(task="binary", outputs=["0", "1"]), inputs=INPUTS, request={},
        features=[], feature_keys={},
    )  # fmt: skip
    graph = Scorer(manifest, to_onnx(estimator, INPUTS)).score
    return find_domains(estimator, scores, graph, INPUTS, seen, 1e-5)


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


def test_a_new_value_that_scores_differently_as_a_graph_is_refused() -> None:
    """The author reads which input, which value, and how far apart the scores are."""
    estimator = fitted(OneHotEncoder(handle_unknown="ignore"), StandardScaler(), SEEN)

    def scores(rows: Columns) -> npt.NDArray[np.float64]:
        return np.asarray(estimator.predict_proba(estimator_frame(rows)), dtype=np.float64)

    def graph(rows: Columns) -> npt.NDArray[np.float64]:
        return scores(rows) + 0.25 * np.isin(rows["carrier"], ["AA", "DL", "UA"], invert=True)[:, None]

    with pytest.raises(InputError) as refused:
        find_domains(estimator, scores, graph, INPUTS, SEEN, 1e-5)
    text = str(refused.value)
    assert "input carrier: for a missing value ('') the ONNX form scores differently by 0.25" in text
    assert "input carrier: for a value that no row had ('new value')" in text
