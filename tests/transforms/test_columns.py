"""Columns come out of a training set as estimators and graphs take them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.errors import InputError
from bighead_ci.model_code.frame import estimator_frame
from bighead_ci.transforms.columns import appended, authored_columns, input_columns

INPUTS = [
    ArtifactInput(name="carrier", type="string"),
    ArtifactInput(name="hour", type="int64"),
    ArtifactInput(name="weekend", type="bool"),
    ArtifactInput(name="pixels", type="float64", size=2),
]
ROWS: list[dict[str, Any]] = [
    {"carrier": "AA", "hour": 7, "weekend": True, "pixels": [1.0, 2.0]},
    {"carrier": None, "hour": None, "weekend": None, "pixels": [3.0, 4.0]},
]


def test_a_table_and_authored_rows_give_the_same_columns() -> None:
    """Text keeps "" for missing, numbers and booleans among missing ones are float64 with NaN, lists are matrices."""
    kinds = pa.schema(
        {"carrier": pa.string(), "hour": pa.int64(), "weekend": pa.bool_(), "pixels": pa.list_(pa.float64())}
    )
    columns, authored = input_columns(pa.Table.from_pylist(ROWS, kinds), INPUTS), authored_columns(ROWS, INPUTS)
    assert columns["carrier"].tolist() == ["AA", ""]
    assert columns["pixels"].tolist() == [[1, 2], [3, 4]]
    for name in ("hour", "weekend", "pixels"):
        assert columns[name].dtype == authored[name].dtype == np.float64
        np.testing.assert_array_equal(columns[name], authored[name])
    assert authored["carrier"].tolist() == columns["carrier"].tolist()
    frame = estimator_frame(columns)
    assert list(frame.columns) == [item.name for item in INPUTS]
    assert frame["pixels"][1].tolist() == [3, 4]


def test_every_column_that_does_not_fit_is_named() -> None:
    """Missing columns, text where numbers belong and lists of another length, at once."""
    table = pa.table({"carrier": ["AA"], "hour": ["seven"], "pixels": [[1.0, 2.0, 3.0]]})
    with pytest.raises(InputError) as caught:
        input_columns(table, INPUTS)
    for part in ("column hour:", "column weekend is missing", "column pixels: every row needs a list of 2 numbers"):
        assert part in str(caught.value)


def test_an_authored_list_of_another_length_is_refused() -> None:
    """The input is named."""
    with pytest.raises(InputError, match="input pixels"):
        authored_columns([{"pixels": [1.0]}], INPUTS)


LARGE = [2**53 + 1, -(2**63), 2**63 - 1, 1_099_511_627_777, 99_999_999]
NUMBER = [ArtifactInput(name="n", type="int64")]


def test_whole_numbers_and_booleans_stay_what_they_are() -> None:
    """None is narrowed where none is missing, in a table and in authored rows."""
    items = [*NUMBER, ArtifactInput(name="b", type="bool")]
    table = pa.table({"n": pa.array(LARGE, pa.int64()), "b": [True, False, True, False, True]})
    for found in (input_columns(table, items), authored_columns(table.to_pylist(), items)):
        assert found["n"].dtype == np.int64
        assert found["n"].tolist() == LARGE
        assert found["b"].dtype == np.bool_
    assert estimator_frame(input_columns(table, items)).dtypes.tolist() == [np.int64, np.bool_]


def test_large_whole_numbers_beside_nulls_are_refused() -> None:
    """A null makes them float64, which would round them; those that it holds stay."""
    with pytest.raises(InputError, match=r"column n: has whole numbers beyond 2\*\*53 beside nulls"):
        input_columns(pa.table({"n": pa.array([2**53 + 1, None])}), NUMBER)
    with pytest.raises(InputError, match="9007199254740993 beside missing values"):
        authored_columns([{"n": 2**53 + 1}, {}], NUMBER)
    found = input_columns(pa.table({"n": pa.array([1_099_511_627_777, None])}), NUMBER)["n"]
    assert found[0] == 1_099_511_627_777
    assert np.isnan(found[1])


def test_rows_of_two_types_are_joined_without_loss() -> None:
    """Whole numbers beside missing ones become float64 if it holds them."""
    whole, holed = {"n": np.array([1, 2**30])}, {"n": np.array([np.nan])}
    assert appended(whole, holed)["n"].tolist()[:2] == [1.0, 2.0**30]
    with pytest.raises(InputError, match="column n: whole numbers beyond"):
        appended({"n": np.array([2**53 + 1])}, holed)
