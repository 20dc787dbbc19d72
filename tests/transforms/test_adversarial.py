"""Every kind of row that the adversarial set promises is in it, and nothing else about such a row is odd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.model_code.frame import estimator_frame
from bighead_ci.transforms.adversarial import MOST_ROWS, AdversarialRows, adversarial_rows
from bighead_ci.transforms.columns import Columns, row_count
from bighead_ci.transforms.jumps import jumps

ROWS = 80
TEXT, WHOLE, REAL = (
    ArtifactInput(name="carrier", type="string"),
    ArtifactInput(name="id", type="int64"),
    ArtifactInput(name="x", type="float64"),
)
FLAG, LIST = ArtifactInput(name="flag", type="bool"), ArtifactInput(name="pixels", type="float64", size=3)
INPUTS = [TEXT, WHOLE, REAL]


def seen() -> Columns:
    generator = np.random.default_rng(0)
    return {
        "carrier": np.array(["AA", "UA"] * (ROWS // 2 - 2) + ["AA", "AA", "ZZ", ""], dtype=object),
        "id": generator.integers(0, 2**40, ROWS),
        "x": generator.normal(size=ROWS),
    }


def flat(columns: Columns) -> npt.NDArray[np.float64]:
    """Scores of an estimator that sees no input."""
    return np.zeros((row_count(columns), 1))


def scorer(estimator: Any) -> Callable[[Columns], npt.NDArray[np.float64]]:
    return lambda columns: np.asarray(estimator.predict_proba(estimator_frame(columns)), dtype=np.float64)


def values(sets: list[AdversarialRows], name: str) -> list[Any]:
    """All that an input takes in both sets, plain."""
    return [one for rows in sets for one in rows.columns[name].tolist()]


def changed(rows: AdversarialRows, held: Columns) -> list[int]:
    """Of each row, in how many inputs it differs at least from any row that was seen."""

    def differs(name: str, row: int) -> npt.NDArray[np.bool_]:
        mine, theirs = rows.columns[name][row], held[name]
        same = theirs == mine
        if theirs.dtype.kind == "f":
            same = same | (np.isnan(theirs) & np.isnan(mine))
        return np.asarray(~(same if same.ndim == 1 else same.all(axis=1)))

    return [int(np.sum([differs(name, row) for name in held], axis=0).min()) for row in range(row_count(rows.columns))]


def test_each_input_alone_is_missing() -> None:
    """In a row of its own, and all of them in one more."""
    _, holed = adversarial_rows(object(), flat, INPUTS, seen())
    whole, _ = adversarial_rows(object(), flat, INPUTS, seen())
    for name in ("id", "x"):
        others = [other for other in ("id", "x") if other != name]
        alone = np.isnan(holed.columns[name]) & ~np.isnan(holed.columns[others[0]])
        assert alone.any()
    assert [carrier == "" for carrier in whole.columns["carrier"]].count(True) >= 4
    assert (holed.columns["carrier"][-1], np.isnan(holed.columns["x"][-1])) == ("", True)
    assert holed.about[-1] == "every input missing"


def test_texts_are_unseen_rare_or_written_otherwise() -> None:
    """The commonest in other letters, with spaces, with a letter more; rare ones as they are."""
    found = values(adversarial_rows(object(), flat, INPUTS, seen()), "carrier")
    assert {"ZZ", "", " ", "new value", "aa", " AA", "AA ", "AAÉ", "AA-AA"} <= set(found)


def test_what_only_an_encoder_knows_is_tried() -> None:
    """Texts and numbers that an author listed, and that no row had."""
    rows = {"carrier": seen()["carrier"], "id": np.arange(ROWS) % 4, "x": seen()["x"]}
    text = OneHotEncoder(categories=[["", "AA", "B6", "UA", "ZZ"]])
    number = OrdinalEncoder(categories=[[0, 1, 2, 3, 12345]])
    columns = ColumnTransformer([("text", text, ["carrier"]), ("number", number, ["id"])])
    estimator = make_pipeline(columns, LogisticRegression()).fit(estimator_frame(rows), np.arange(ROWS) % 2)
    found = adversarial_rows(estimator, scorer(estimator), INPUTS, rows)
    assert "B6" in values(found, "carrier")
    assert 12345 in values(found, "id")


def test_every_threshold_has_its_neighbours() -> None:
    """In float64 and in float32, which trees of scikit-learn compare."""
    rows: Columns = {"x": seen()["x"]}
    tree = DecisionTreeClassifier(random_state=0).fit(estimator_frame(rows), rows["x"] > 0.3)
    found = set(values(adversarial_rows(tree, scorer(tree), [REAL], rows), "x"))
    for threshold in tree.tree_.threshold[tree.tree_.children_left >= 0]:
        narrow = np.float32(threshold)
        wanted = [threshold, np.nextafter(threshold, 9), np.nextafter(threshold, -9), narrow]
        wanted += [np.nextafter(narrow, np.float32(9)), np.nextafter(narrow, np.float32(-9))]
        assert {float(one) for one in wanted} <= found


def test_both_sides_of_a_split_behind_a_scaler_are_tried() -> None:
    """Its threshold is a scaled number; the sides are the last float that goes left and the next one."""
    rows = seen()
    stump = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=1, random_state=0))
    stump.fit(estimator_frame({"x": rows["x"]}), rows["x"] > 0.3)
    found = jumps(scorer(stump), [REAL], {"x": rows["x"]}, [0])
    (low, high) = found[0].sides
    assert len(found) == 1
    assert np.nextafter(low, np.inf) == high
    below, above = scorer(stump)({"x": np.array([low, high])})
    assert np.abs(below - above).max() == 1
    assert {low, high} <= set(values(adversarial_rows(stump, scorer(stump), [REAL], {"x": rows["x"]}), "x"))


@settings(max_examples=40, deadline=None)
@given(st.floats(-1, 1), st.sampled_from([np.float64, np.float32]))
def test_a_jump_is_found_to_the_last_digit(threshold: float, kind: Any) -> None:
    """Whatever rounds in between: the sides are neighbours, and their scores differ."""
    rows: Columns = {"x": np.linspace(-2, 2, 9)}

    def step(columns: Columns) -> npt.NDArray[np.float64]:
        left: npt.NDArray[np.float64] = (columns["x"].astype(kind) <= kind(threshold)).astype(np.float64)
        return left[:, None]

    (jump,) = jumps(step, [REAL], rows, [0])
    assert step({"x": np.array(jump.sides)}).ravel().tolist() == [1, 0]
    assert np.nextafter(jump.sides[0], np.inf) == jump.sides[1] or jump.sides == (-5e-324, 0.0)


def test_jumps_of_whole_numbers_are_found_beyond_float64() -> None:
    """They are neighbours among the whole numbers."""
    rows: Columns = {"id": np.array([2**55, 2**60, 2**62])}
    (jump,) = jumps(lambda some: (some["id"] > 2**60 + 1)[:, None].astype(float), [WHOLE], rows, [1])
    assert jump.sides == (2**60 + 1, 2**60 + 2)


def test_a_slope_has_no_jump_and_what_raises_has_none() -> None:
    """A smooth score costs a few calls; an input that the estimator refuses new values of is left out."""
    rows: Columns = {"x": np.linspace(-2, 2, 9), "id": np.arange(9)}

    def scores(columns: Columns) -> npt.NDArray[np.float64]:
        if not set(columns["id"].tolist()) <= {0, 4, 8}:
            raise ValueError("unknown")
        return 1e3 * columns["x"][:, None]

    assert jumps(scores, [REAL, WHOLE], rows, [0, 4]) == []


def test_numbers_reach_beyond_what_floats_hold() -> None:
    """Whole ones of a column that had none missing are exact; others go to infinity."""
    found = adversarial_rows(object(), flat, INPUTS, seen())
    assert {2**24 + 1, 2**53 + 1, 2**63 - 1, -(2**63), 0, -1} <= {one for one in values(found, "id") if one == one}  # noqa: PLR0124 - no NaN
    assert found[0].columns["id"].dtype == np.int64
    assert {float(np.finfo(np.float32).max), 1e39, -1e300, np.inf, -np.inf, 1e-40} <= set(values(found, "x"))


def test_whole_numbers_beside_missing_ones_are_those_that_float64_holds() -> None:
    """Such a column was one of float64 in training."""
    rows = seen()
    rows["id"] = np.where(np.arange(ROWS) % 3 == 0, np.nan, rows["id"])
    found = [one for one in values(adversarial_rows(object(), flat, INPUTS, rows), "id") if np.isfinite(one)]
    assert all(one == int(one) and abs(one) < 2**53 for one in found)
    assert 2**53 - 1 in found


@pytest.mark.parametrize("odd", [1e20, -1e20, 1e-40, np.inf, -np.inf, np.nan, -1.0])
def test_every_position_of_a_list_is_odd_alone_and_all_are_at_once(odd: float) -> None:
    """Large, tiny, negative, infinite, missing."""
    rows: Columns = {"pixels": np.random.default_rng(0).normal(size=(ROWS, 3))}
    found = np.concatenate([one.columns["pixels"] for one in adversarial_rows(object(), flat, [LIST], rows)])
    is_odd = np.isnan(found) if np.isnan(odd) else found == odd
    patterns = {tuple(row) for row in is_odd.tolist()}
    assert {(True, False, False), (False, True, False), (False, False, True), (True, True, True)} <= patterns


def test_lists_of_text_and_flags_have_odd_rows() -> None:
    """No text, a new one; a flag can only be missing."""
    rows: Columns = {"words": np.array([["a", "b"]] * ROWS, dtype=object), "flag": np.arange(ROWS) % 2 == 0}
    whole, holed = adversarial_rows(object(), flat, [ArtifactInput(name="words", type="string", size=2), FLAG], rows)
    assert ["", "b"] in whole.columns["words"].tolist()
    assert ["a", "new value"] in whole.columns["words"].tolist()
    assert np.isnan(holed.columns["flag"].astype(np.float64)).any()


@settings(max_examples=25, deadline=None)
@given(st.sets(st.sampled_from(["carrier", "id", "x", "flag", "pixels"]), min_size=1), st.integers(1, ROWS))
def test_a_row_is_odd_in_one_input_or_in_few(names: set[str], count: int) -> None:
    """All else of a row is as in one that was seen, however many there were; and each row says what is odd."""
    most = min(3, len(names))
    generator = np.random.default_rng(count)
    held = seen() | {"flag": generator.random(ROWS) > 0.5, "pixels": generator.normal(size=(ROWS, 3))}
    rows = {name: column[:count] for name, column in held.items() if name in names}
    inputs = [item for item in (*INPUTS, FLAG, LIST) if item.name in names]
    whole, holed = adversarial_rows(object(), flat, inputs, rows)
    for one, differing in ((whole, changed(whole, rows)), (holed, changed(holed, rows)[:-1])):
        said = [about.count(" and ") + 1 for about in one.about]
        assert all(found <= told <= most for found, told in zip(differing, said, strict=False))
    for one in (whole, holed):
        assert len(one.about) == row_count(one.columns)
    assert row_count(whole.columns) <= MOST_ROWS
    assert {name: values.dtype for name, values in whole.columns.items()} == {
        name: values.dtype for name, values in rows.items()
    }
