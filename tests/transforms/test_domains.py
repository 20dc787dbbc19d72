"""What an estimator refuses is known before it serves, and what it takes scores the same as a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from bighead_ci.documents.artifact import ArtifactInput, InputDomain
from bighead_ci.model_code.frame import estimator_frame
from bighead_ci.transforms.columns import Columns
from bighead_ci.transforms.domains import find_domains, narrowed, scored_where_taken, within

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


FLOAT32, FLOAT64 = float(np.finfo(np.float32).max), float(np.finfo(np.float64).max)


def numeric_domains(estimator: Any, rows: Columns, *, method: str = "predict_proba") -> dict[str, InputDomain]:
    """Of an estimator of numbers, fitted here: x > 0."""
    inputs = [
        ArtifactInput(name=name, type="int64" if values.dtype.kind == "i" else "float64")
        for name, values in rows.items()
    ]
    estimator.fit(estimator_frame(rows), (rows["x"] > 0).astype(np.int64))

    def scores(columns: Columns) -> npt.NDArray[np.float64]:
        found = np.asarray(getattr(estimator, method)(estimator_frame(columns)), dtype=np.float64)
        return found.reshape(len(found), -1)

    return {one.input: one for one in find_domains(estimator, scores, inputs, rows)}


def numbers() -> Columns:
    return {"x": np.linspace(-1, 1, ROWS), "n": np.arange(ROWS)}


def test_an_estimator_that_computes_in_float32_takes_nothing_beyond_it() -> None:
    """Trees of scikit-learn raise on it; the bound is noted, and rows beyond it are told from others."""
    found = numeric_domains(DecisionTreeClassifier(random_state=0), numbers())
    assert found == {"x": InputDomain(input="x", null=True, lowest=-FLOAT32, highest=FLOAT32)}
    rows: Columns = {"x": np.array([1e39, -1e39, 3e38, np.nan]), "n": np.arange(4)}
    assert within(list(found.values()), rows).tolist() == [False, False, True, True]


def test_infinity_is_refused_where_the_estimator_raises_on_it() -> None:
    """A sum of features beyond float64 is infinite; weights alone would give it a score."""
    found = numeric_domains(LogisticRegression(), numbers())
    assert found["x"] == InputDomain(input="x", null=False, lowest=-FLOAT64, highest=FLOAT64)
    rows: Columns = {"x": np.array([np.inf, -np.inf, 1e308]), "n": np.arange(3)}
    assert within([found["x"]], rows).tolist() == [False, False, True]


def test_an_estimator_that_takes_infinity_has_no_bound() -> None:
    """Boosted trees compare it as any number."""
    assert numeric_domains(HistGradientBoostingClassifier(max_iter=3), numbers()) == {}


def test_a_score_beyond_float64_is_no_refusal() -> None:
    """Where it begins depends on the other inputs; such an answer is no number, and never served."""
    assert "x" in (found := numeric_domains(PoissonRegressor(), numbers(), method="predict"))
    assert found["x"].highest == FLOAT64


@pytest.mark.parametrize("spread", [1e-3, 1e6])
def test_the_bound_of_trees_behind_a_scaler_is_searched(spread: float) -> None:
    """It is float32's, scaled: what lies within is taken, what lies beyond raises."""
    rows: Columns = {"x": np.linspace(-spread, spread, ROWS), "n": np.arange(ROWS)}
    estimator = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0))
    bound = numeric_domains(estimator, rows)["x"]
    assert bound.highest is not None
    assert bound.lowest == pytest.approx(-bound.highest, rel=1e-2)
    assert 0.99 < bound.highest / (FLOAT32 * rows["x"].std()) <= 1.01
    for number, taken in ((bound.highest, True), (bound.highest * 1.01, False)):
        one: Columns = {"x": np.array([number]), "n": np.array([1])}
        assert scored_where_taken(lambda some: estimator.predict_proba(estimator_frame(some)), one, 2)[1][0] == taken


def test_a_bound_may_be_on_one_side_alone() -> None:
    """A root of what is negative is no number, which the model behind it raises on; no float is left out."""
    estimator = make_pipeline(FunctionTransformer(np.sqrt), LogisticRegression())
    rows: Columns = {"x": np.linspace(0, 1, ROWS), "n": np.arange(ROWS)}
    found = numeric_domains(estimator, rows)
    assert (found["x"].lowest, found["x"].highest) == (0.0, FLOAT64)
    assert (found["n"].lowest, found["n"].highest) == (0, None)


def test_a_whole_number_may_have_bounds() -> None:
    """Counts that a table of the model has no place for, and negative ones."""
    counts: Columns = {"x": np.linspace(-1, 1, ROWS).round().astype(np.int64) * 7, "n": np.arange(ROWS) % 8}

    class Table(LogisticRegression):  # type: ignore[misc] # scikit-learn publishes no types
        def predict_proba(self, frame: Any) -> Any:
            return super().predict_proba(frame) + np.arange(-100, 2000)[frame["n"].to_numpy() + 100][:, None] * 0

    with np.errstate(over="ignore"):
        found = numeric_domains(Table(), counts)["n"]
    assert (found.lowest, found.highest) == (-2200, 1999)


def test_a_form_of_float32_takes_less_than_its_estimator() -> None:
    """Floats within a magnitude; what the estimator refuses itself stays refused."""
    inputs = [ArtifactInput(name=name, type="float64") for name in ("x", "y", "z")]
    held = [
        InputDomain(input="x", null=False, lowest=0.0, highest=FLOAT64),
        InputDomain(input="y", null=True, values=[1.0, 2.0]),
    ]
    found = {one.input: one for one in narrowed(held, [*inputs, *INPUTS], 1e18)}
    assert (found["x"].null, found["x"].lowest, found["x"].highest) == (False, 0.0, 1e18)
    assert found["y"] == held[1]
    assert found["z"] == InputDomain(input="z", null=True, lowest=-1e18, highest=1e18)
    assert "month" not in found


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
    domains = [
        InputDomain(input="pixels", null=False, lowest=-1e30, highest=1e30),
        InputDomain(input="carrier", null=False),
    ]
    columns: Columns = {"pixels": np.empty((0, 64)), "carrier": np.empty(0, dtype=object)}
    assert within(domains, columns).tolist() == []
    some: Columns = {
        "pixels": np.array([[0.0, 1.0], [0.0, 1e31], [np.nan, 0.0]]),
        "carrier": np.array(["AA"] * 3, dtype=object),
    }
    assert within(domains, some).tolist() == [True, False, False]
