"""What cannot be learned or judged is refused before it serves: in a line, with the place that its author can mend."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bighead_ci.definitions.lines import with_lines
from bighead_ci.delivery.stages.compiling import compiled
from bighead_ci.delivery.stages.evaluate import evaluate
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.train import train
from bighead_ci.delivery.stages.training_set import make_training_set
from bighead_ci.documents.record import TrainingSetSummary
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent
from bighead_ci.transforms.compilers import COMPILERS
from fakes.offline_store import MemoryOfflineStore
from fakes.stage_checkout import CODE, DIRECTORY, MODEL, ROWS, evaluated, place_with_rows, placed, write_checkout

YAML, PY = rf"{DIRECTORY}/model\.yaml", rf"{DIRECTORY}/model\.py"
NUMBERS = MODEL.replace("task: binary", "task: regression").replace("primary: auc", "primary: mae")
RANKED = MODEL.replace("task: binary", "task: ranking\ngroup: hour").replace("primary: auc", "primary: ndcg")
LISTS = RANKED.replace("group: hour", "group: id")
CHOSEN = 'LogisticRegression(C=parameters["strength"])'


def regressor(text: str) -> str:
    """A model.py with this estimator of scikit-learn at its end."""
    name = text.partition("(")[0]
    return CODE.replace("linear_model import LogisticRegression", f"linear_model import {name}").replace(CHOSEN, text)


POISSON = regressor("PoissonRegressor()")
RIDGE = regressor("Ridge()")


def run(stage: Callable[[StagePlace], Any], place: StagePlace) -> str:
    """What a stage refuses, as whoever runs it in a process says it."""
    with pytest.raises(InputError) as caught:
        stage(place)
    return str(with_lines(caught.value, place.checkout, [f"{DIRECTORY}/model.yaml"]))


def trains(place: StagePlace) -> Any:
    return train(place, compiled(COMPILERS), silent)


def column(values: Any) -> pa.Array:
    return pa.array(np.resize(np.array(values, dtype=object), ROWS).tolist())


CASES: dict[str, tuple[str, str, dict[str, pa.Array], str]] = {
    "no predict_proba": (
        regressor("Perceptron()"),
        MODEL,
        {},
        rf"{PY}:9: build: returned Pipeline that ends in Perceptron, which has no predict_proba",
    ),
    "no fit": (
        "def build(parameters):\n    return object()\n",
        NUMBERS,
        {"late": column([1.5, 2.0])},
        rf"{PY}:1: build: returned object, which has no fit and no predict",
    ),
    "text for a regression": (
        RIDGE,
        NUMBERS,
        {"late": column(["soon", "later"])},
        rf"{YAML}:5: label\.column: training rows: labels are text; regression learns numbers",
    ),
    "text for a ranking": (
        RIDGE,
        RANKED,
        {"late": column(["good", "bad"])},
        rf"{YAML}:6: label\.column: training rows: labels are text; ranking needs grades",
    ),
    "fractions for classes": (
        CODE,
        MODEL,
        {"late": column([0.5, 1.0])},
        rf"{YAML}:5: label\.column: .* labels are no class: 0\.5; .*task: regression learns numbers",
    ),
    "a single class": (
        CODE,
        MODEL,
        {"late": column([1])},
        rf"{YAML}:5: label\.column: the labels of the training rows have 1 classes \(1\); binary needs exactly 2",
    ),
    "a single number": (
        RIDGE,
        NUMBERS,
        {"late": column([2.5])},
        rf"{YAML}:5: label\.column: the labels of the training rows are all 2\.5: there is nothing to learn",
    ),
    "negative grades": (
        RIDGE,
        RANKED,
        {"late": column([-1, 0, 1])},
        rf"{YAML}:6: label\.column: training rows: \d+ labels are no grades: -1; allowed: numbers of 0 or more",
    ),
    "negative counts": (
        POISSON,
        NUMBERS,
        {"late": column([-2.0, 3.0])},
        rf"{PY}:9: fit: ValueError: .*HalfPoissonLoss.*: the label is late, from -2 to 3",
    ),
    "lists of one row": (
        RIDGE,
        LISTS,
        {"late": column([0, 1, 2])},
        rf"{YAML}:4: group: no list .* has rows of different grades, and (\d+) of \1 are of one row: .*; got id",
    ),
    "a list that is none": (
        RIDGE,
        RANKED,
        {"late": column([0, 1, 2]), "hour": column([1, 2, None])},
        rf"{YAML}:4: group: \d+ of \d+ rows have no value of the group: nobody knows their list",
    ),
    "weights that are none": (
        CODE,
        f"{MODEL}weights: {{column: delay}}\n",
        {"delay": column([-1.0, 1.0])},
        rf"{YAML}:14: weights\.column: .* are negative: a weight is a number of 0 or more; got delay",
    ),
    "weights of other classes": (
        CODE,
        f"{MODEL}weights:\n  classes: {{late: 2.0}}\n",
        {},
        rf"{YAML}:15: weights\.classes: must name every class, and no other; got late; allowed: 0, 1",
    ),
    "a validation of nothing": (
        CODE,
        MODEL.replace(
            "split: {kind: hash, evaluate_percent: 25}",
            "split: {kind: time, train: [2013-01-01T00:00:00Z, 2013-01-02T00:00:00Z],"
            " evaluate: [2013-01-02T00:00:00Z, 2013-01-04T00:00:00Z]}",
        )
        + "validation: {kind: time, last: 9d}\n",
        {},
        rf"{YAML}:14: validation: takes all of the 288 rows to train on: each part needs some",
    ),
    "a framework in no lock": (
        "import frameworks_of_nobody.trees\n\n\ndef build(parameters): ...\n",
        MODEL,
        {},
        rf"{PY}:1: import: ModuleNotFoundError: .*: `bighead lock models/late/v1 --training frameworks_of_nobody`, or",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_trained_is_refused_where_its_author_can_mend_it(tmp_path: Path, case: str) -> None:
    """The field of model.yaml, or the line of model.py; what is wrong with it; what would be right."""
    code, model, columns, message = CASES[case]
    said = run(trains, place_with_rows(tmp_path, code, model, **columns))
    assert len(said.splitlines()) == 1
    assert re.search(message, said), said


OUTSIDE = MODEL.replace(
    "split: {kind: hash, evaluate_percent: 25}",
    "split: {kind: time, train: [2012-01-01T00:00:00Z, 2012-01-02T00:00:00Z],"
    " evaluate: [2013-01-01T00:00:00Z, 2013-01-04T00:00:00Z]}",
)


@pytest.mark.parametrize(
    ("model", "columns", "message"),
    [
        (OUTSIDE, {}, r"leaves no row to train on: 0 rows are outside the split, 0 have no label"),
        (
            NUMBERS,
            {"late": column([float("nan"), float("inf"), float("-inf")])},
            r"no row to train on or to evaluate on: 0 rows .* 600 have no label or none that is a finite number",
        ),
        (MODEL.replace("offset: 1h", "offset: 900d"), {}, r"0 have no label .*, 600 have one that was not yet known"),
    ],
    ids=["other years", "no finite target", "labels of the future"],
)
def test_a_training_set_without_rows_says_where_they_went(
    tmp_path: Path, model: str, columns: dict[str, pa.Array], message: str
) -> None:
    """Before anything is trained."""
    place = placed(write_checkout(tmp_path, RIDGE, model, **columns))
    said = run(lambda at: make_training_set(at, MemoryOfflineStore(), silent), place)
    assert re.search(rf"{YAML}:6: split: .*{message}", said), said


def test_targets_that_are_no_finite_number_are_left_out_and_counted(tmp_path: Path) -> None:
    """A regression learns from the others."""
    late = column([1.0, float("nan"), 2.0, float("inf"), None, 3.0])
    place = place_with_rows(tmp_path, RIDGE, NUMBERS, late=late)
    summary = TrainingSetSummary.read(place.out / "training_set.json")
    assert (summary.unlabelled, summary.train_rows + summary.evaluate_rows) == (ROWS // 2, ROWS // 2)
    trains(place)


def labels(*of_evaluation: str) -> pa.Array:
    """Of all rows: two classes to train on, these to evaluate on."""
    names = np.array(["high", "low"], dtype=object)[np.arange(ROWS) % 2]
    names[evaluated()] = np.resize(np.array(of_evaluation, dtype=object), len(evaluated()))
    return pa.array(names)


NAMED = MODEL.replace("column: late", "column: late, positive: high")


@pytest.mark.parametrize(
    ("late", "message"),
    [
        (labels("high", "odd"), rf"{YAML}:5: label\.column: evaluation rows have labels that no training row has: odd"),
        (labels("low"), rf"{YAML}:13: evaluation\.primary: auc is not defined: all \d+ evaluation rows are of one"),
    ],
    ids=["a label of its own", "a single class"],
)
def test_what_cannot_be_judged_is_refused_at_its_line(tmp_path: Path, late: pa.Array, message: str) -> None:
    """After it was trained, and before it is packaged."""
    place = place_with_rows(tmp_path, CODE, NAMED, late=late)
    trains(place)
    said = run(lambda at: evaluate(at, silent), place)
    assert re.search(message, said), said
