"""Columns come out of a training set as estimators and graphs take them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.errors import InputError
from bighead_ci.model_code.frame import estimator_frame
from bighead_ci.transforms.columns import authored_columns, input_columns

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
    """Text keeps "" for missing, numbers and booleans are float32 with NaN, lists are matrices."""
    kinds = pa.schema(
        {"carrier": pa.string(), "hour": pa.int64(), "weekend": pa.bool_(), "pixels": pa.list_(pa.float64())}
    )
    columns, authored = input_columns(pa.Table.from_pylist(ROWS, kinds), INPUTS), authored_columns(ROWS, INPUTS)
    assert columns["carrier"].tolist() == ["AA", ""]
    assert columns["pixels"].tolist() == [[1, 2], [3, 4]]
    for name in ("hour", "weekend", "pixels"):
        assert columns[name].dtype == authored[name].dtype == np.float32
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


def test_a_whole_number_beyond_exact_floats_is_rounded_as_serving_rounds_it() -> None:
    """2**53 + 1 and the like are inputs in training as they are in a request."""
    items = [ArtifactInput(name="n", type="int64", size=None)]
    large = [2**53 + 1, -(2**63), 2**63 - 1]
    found = input_columns(pa.table({"n": pa.array(large, pa.int64())}), items)["n"]
    assert found.tolist() == authored_columns([{"n": value} for value in large], items)["n"].tolist()
