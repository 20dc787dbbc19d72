"""Rows to train on: weights by a column and by class, and a part that is kept for validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bighead_ci.delivery.stages.compiling import compiled
from bighead_ci.delivery.stages.train import train
from bighead_ci.delivery.stages.training_data import training_data
from bighead_ci.delivery.stages.training_set import make_training_set
from bighead_ci.documents.stage import StageOrder, TrainSpec
from bighead_ci.documents.target import Target
from bighead_ci.errors import InputError
from bighead_ci.features.parquet import read_file
from bighead_ci.model_code.training_data import TrainingData
from bighead_ci.ports.progress import silent
from bighead_ci.transforms.compilers import COMPILERS
from fakes.offline_store import MemoryOfflineStore
from fakes.stage_checkout import CODE, MODEL, ROWS, placed, write_checkout

TIMED = MODEL.replace(
    "split: {kind: hash, evaluate_percent: 25}",
    "split: {kind: time, train: [2013-01-01T00:00:00Z, 2013-01-02T00:00:00Z],"
    " evaluate: [2013-01-02T00:00:00Z, 2013-01-04T00:00:00Z]}",
)


def rows_of(root: Path, more: str, model: str = MODEL, **columns: pa.Array) -> TrainingData:
    """What `train` would get of a version with these lines more in its model.yaml."""
    place = placed(write_checkout(root, CODE, model + more, **columns))
    make_training_set(place, MemoryOfflineStore(), silent)
    spec = place.order("train", StageOrder[TrainSpec]).spec
    table = read_file(place.out / "training_set.parquet")
    rows = table.filter(pc.equal(table["__part"], "train"))
    label = rows["__label"].to_numpy().astype(np.int64)
    return training_data(spec, rows, label, Target(task="binary", outputs=["0", "1"]))


def test_a_column_says_what_rows_count(tmp_path: Path) -> None:
    """It is read from the spine, and is no column of the frame."""
    data = rows_of(tmp_path, "weights: {column: delay}\n", delay=pa.array(np.arange(ROWS) % 3, pa.float64()))
    assert data.weights is not None
    assert set(data.weights) == {0.0, 1.0, 2.0}
    assert list(data.frame) == ["carrier", "hour", "delays.delay_mean_1h"]


def test_balanced_classes_count_the_same_in_all(tmp_path: Path) -> None:
    """However many rows each has."""
    data = rows_of(tmp_path, "weights: {classes: balanced}\n")
    assert data.weights is not None
    by_class = [data.weights[data.label == one].sum() for one in (0, 1)]
    assert by_class[0] == pytest.approx(by_class[1])
    assert data.weights.sum() == pytest.approx(len(data.label))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([None, 1.0, 2.0], r"1\d\d are null or NaN"),
        ([-1.0, 1.0, 2.0], "are negative"),
        ([0.0, 0.0, 0.0], "all are zero"),
    ],
)
def test_weights_that_are_none_are_refused(tmp_path: Path, values: list[float | None], message: str) -> None:
    """Counted, with the file and the field."""
    delay = pa.array(values * (ROWS // 3), pa.float64())
    with pytest.raises(InputError, match=rf"models/late/v1/model\.yaml: weights\.column: .*({message})"):
        rows_of(tmp_path, "weights: {column: delay}\n", delay=delay)


def test_names_of_classes_in_weights_are_those_of_the_labels(tmp_path: Path) -> None:
    """Both lists are said."""
    with pytest.raises(InputError, match=r"must name every class, and no other; got late; allowed: 0, 1"):
        rows_of(tmp_path, "weights: {classes: {late: 2.0}}\n")


def test_a_part_by_hash_is_kept_for_validation(tmp_path: Path) -> None:
    """Independent of the split's own hash: about its share of what the split leaves to train on."""
    whole = rows_of(tmp_path / "whole", "")
    data = rows_of(tmp_path / "part", "validation: {kind: hash, percent: 20}\n")
    assert data.validation is not None
    assert len(data.frame) + len(data.validation.frame) == len(whole.frame)
    assert len(data.validation.frame) / len(whole.frame) == pytest.approx(0.2, abs=0.06)


def test_the_newest_rows_are_kept_for_validation(tmp_path: Path) -> None:
    """Those of the last hours of the training range, a row every five minutes."""
    data = rows_of(tmp_path, "validation: {kind: time, last: 6h}\n", TIMED)
    assert data.validation is not None
    assert len(data.validation.frame) == 72
    assert len(data.frame) == 288 - 72


def test_a_validation_that_takes_all_rows_is_refused(tmp_path: Path) -> None:
    """Nothing would be left to learn from."""
    with pytest.raises(InputError, match=r"validation: takes all of the 288 rows to train on"):
        rows_of(tmp_path, "validation: {kind: time, last: 9d}\n", TIMED)


def test_categories_are_a_pandas_categorical(tmp_path: Path) -> None:
    """Any other text is missing."""
    model = MODEL.replace("carrier: {type: string}", "carrier: {type: string, categories: [DL, AA]}")
    found = rows_of(tmp_path, "", model).frame["carrier"]
    assert list(found.cat.categories) == ["DL", "AA"]
    assert found.isna().any()


def test_an_estimator_that_takes_no_weights_is_named(tmp_path: Path) -> None:
    """Weights that somebody asked for are not left out silently."""
    code = CODE.replace("LogisticRegression(C=", "KNeighborsClassifier(n_neighbors=5 + 0 * int(").replace(
        'parameters["strength"])', 'parameters["strength"]))'
    )
    code = code.replace("linear_model import LogisticRegression", "neighbors import KNeighborsClassifier")
    place = placed(write_checkout(tmp_path, code, MODEL + "weights: {classes: balanced}\n"))
    make_training_set(place, MemoryOfflineStore(), silent)
    with pytest.raises(InputError, match=r"model\.py:9: build: fit of KNeighborsClassifier takes no sample_weight"):
        train(place, compiled(COMPILERS), silent)
