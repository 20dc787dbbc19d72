"""Names and figures that MLflow is given."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.documents.record import RunRecord
from bighead_ci.tracking.run_description import (
    MAX_KEY_LENGTH,
    MAX_VALUE_LENGTH,
    figures_of,
    key_of,
    metrics_of,
    parameters_of,
)
from fakes.record_samples import make_artifact, make_record

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
PARTS = st.lists(TEXT | st.sampled_from(["", ".", "..", "/", "a/b", "a", "_", " "]), min_size=1, max_size=4)


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    return make_record(make_artifact(tmp_path / "artifact"))


@given(PARTS)
def test_any_parts_make_a_key_that_mlflow_takes(parts: list[str]) -> None:
    """Whatever columns and values are called, the key has MLflow's characters, length and a path of its own."""
    key = key_of(*parts)
    assert re.fullmatch(r"[/\w.\- :]+", key)
    assert len(key) <= MAX_KEY_LENGTH
    assert posixpath.normpath(key) == key
    assert not key.startswith(("/", ".."))


@given(PARTS, PARTS)
def test_different_parts_make_different_keys(left: list[str], right: list[str]) -> None:
    """Two slices never share a metric."""
    assert (key_of(*left) == key_of(*right)) == (left == right)


def test_metrics_have_their_intervals_and_slices(record: RunRecord) -> None:
    """MLflow's metrics are those of the evaluation and no others; all else is a row of one table."""
    metrics = metrics_of(record.evaluation)
    own = {name: value for name, value in metrics.items() if "/" not in name}
    assert own.keys() == record.evaluation.metrics.keys()
    assert (own["auc"], metrics["interval/auc_low"], metrics["interval/auc_high"]) == (0.71, 0.69, 0.73)
    assert len(metrics) == 3 * len(own)
    table = figures_of(record)
    assert table["columns"] == ["about", "part", "figure", "value", "low", "high"]
    assert ["slice", "carrier:9E / (x)", "auc", 0.71, 0.69, 0.73] in table["data"]
    assert ["quality", "", "passed", 1.0, None, None] in table["data"]
    assert ["seconds", "train", "seconds", 1.5, None, None] in table["data"]


def test_figures_that_are_missing_are_left_out(record: RunRecord) -> None:
    """A column without a mean has no such row, rather than one with NaN."""
    rows = {tuple(row[:3]) for row in figures_of(record)["data"]}
    assert ("profile", "carrier", "null_share") in rows
    assert ("profile", "carrier", "mean") not in rows


def test_long_parameters_are_cut(record: RunRecord) -> None:
    """A parameter that MLflow would refuse for its length is shown cut; the record itself keeps it whole."""
    long = record.model_copy(update={"parameters": {"long": "x" * 10_000, "list": [1, 2]}})
    parameters = parameters_of(long.parameters)
    assert len(parameters["long"]) == MAX_VALUE_LENGTH
    assert parameters["list"] == "[1,2]"
