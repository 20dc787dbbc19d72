"""Details of answers are what model.yaml declares, or said to be something else."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.definitions.check import check_tree
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.stages.keeping import kept
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.train import train
from bighead_ci.delivery.stages.training_set import make_training_set
from bighead_ci.documents.definition import DetailField
from bighead_ci.errors import InputError
from bighead_ci.model_code.details import detail_rows
from bighead_ci.model_code.scorer import PythonScorer, code_loaders
from bighead_ci.ports.progress import silent
from bighead_ci.scorers.artifact import open_artifact
from bighead_ci.transforms.columns import authored_columns
from fakes.offline_store import MemoryOfflineStore
from fakes.stage_checkout import DIRECTORY, GOLDEN_ROW, MODEL, placed, write_checkout

DECLARED = {
    "reason": DetailField(type="string"),
    "minutes": DetailField(type="int64", required=False),
    "share": DetailField(type="float64"),
    "sure": DetailField(type="bool"),
}
ROW = {"reason": "weather", "minutes": 5, "share": 0.5, "sure": True}


def test_rows_come_back_as_json_has_them() -> None:
    """NumPy's numbers as Python's, a missing one as null, in the order that is declared."""
    given = pd.DataFrame([ROW, ROW | {"minutes": None, "share": 1, "sure": False}])[
        ["sure", "share", "minutes", "reason"]
    ]
    given["minutes"] = given["minutes"].astype("Int64")
    found = detail_rows(given, DECLARED, 2)
    assert json.loads(json.dumps(found)) == found
    assert found == [ROW, {"reason": "weather", "minutes": None, "share": 1.0, "sure": False}]
    assert list(found[0]) == list(DECLARED)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([ROW], "gives list, not a DataFrame with the columns reason, minutes, share, sure"),
        (pd.DataFrame([{"reason": "x"}]), "gives the columns reason; serving.details declares reason, minutes"),
        (pd.DataFrame([ROW, ROW]), "gives 2 rows for 1"),
        (pd.DataFrame([ROW | {"reason": None}]), "gives nothing in reason, row 0, which is required"),
        (pd.DataFrame([ROW | {"reason": 7}]), "gives 7 in reason, row 0, which is a text"),
        (pd.DataFrame([ROW | {"minutes": 5.5}]), "gives 5.5 in minutes, row 0, which is a whole number"),
        (pd.DataFrame([ROW | {"minutes": True}]), "gives True in minutes, row 0, which is a whole number"),
        (pd.DataFrame([ROW | {"minutes": 2**63}]), "in minutes, row 0, which is a whole number"),
        (pd.DataFrame([ROW | {"share": math.inf}]), "gives inf in share, row 0, which is a finite number"),
        (pd.DataFrame([ROW | {"sure": 1}]), "gives 1 in sure, row 0, which is true or false"),
    ],
)
def test_what_is_not_as_declared_is_said(given: Any, said: str) -> None:
    """With the column, the row, the value and what it must be."""
    with pytest.raises((ValueError, TypeError)) as caught:
        detail_rows(given, DECLARED, 1)
    assert said in str(caught.value)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)))
def test_numbers_come_back_as_they_are(numbers: list[float]) -> None:
    """Whatever pandas makes of a column."""
    given = pd.DataFrame({"share": pd.Series(numbers, dtype=object)})
    found = detail_rows(given, {"share": DetailField(type="float64")}, len(numbers))
    assert [one["share"] for one in found] == numbers


TRAIN = """\
import json

import pandas as pd


class Rule:
    def __init__(self, hour):
        self.hour = hour

    def predict_proba(self, frame):
        return [[0.2, 0.8] if hour >= self.hour else [0.9, 0.1] for hour in frame["hour"]]

    def details(self, frame):
        late = frame["hour"] >= self.hour
        reason = late.map({True: "evening", False: "morning"})
        return pd.DataFrame({"reason": reason, "hours": frame["hour"] - self.hour})

    def save(self, directory):
        (directory / "rule.json").write_text(json.dumps(self.hour))


def train(data, parameters):
    return Rule(15)


def load(directory):
    return Rule(json.loads((directory / "rule.json").read_text()))
"""
DETAILS = "serving: {kind: python, details: {reason: {type: string}, hours: {type: int64}}}\n"


def place_of(root: Path, code: str, model: str = MODEL + DETAILS) -> StagePlace:
    place = placed(write_checkout(root, code, model))
    make_training_set(place, MemoryOfflineStore(), silent)
    return place


def test_an_artifact_answers_the_details_that_are_declared(tmp_path: Path) -> None:
    """From its own state, loaded again."""
    place = place_of(tmp_path, TRAIN)
    train(place, kept, silent)
    scorer = open_artifact(place.out / "artifact", code_loaders(place.path))
    assert isinstance(scorer, PythonScorer)
    found = scorer.details(authored_columns([GOLDEN_ROW, GOLDEN_ROW | {"hour": 20}], scorer.manifest.inputs))
    assert found == [{"reason": "morning", "hours": -12}, {"reason": "evening", "hours": 5}]


def test_details_that_are_not_as_declared_stop_training(tmp_path: Path) -> None:
    """At the method's own code."""
    place = place_of(tmp_path / "a", TRAIN.replace('"hours": frame["hour"]', '"hours": 0.5 + frame["hour"]'))
    with pytest.raises(InputError, match=r"late/v1/model\.py:13: details: gives .*\.5 in hours, row 0, which is a"):
        train(place, kept, silent)
    place = place_of(tmp_path / "b", TRAIN.replace("def details", "def more"))
    with pytest.raises(InputError, match=r"model\.py:\d+: train: returned Rule, which has no details"):
        train(place, kept, silent)


def test_details_are_declared_of_the_versions_own_code_alone(tmp_path: Path) -> None:
    """A compiled kind has no method to ask."""
    model = MODEL + DETAILS.replace("kind: python, ", "")
    checkout = write_checkout(tmp_path, TRAIN, model)
    (problem,) = [
        one
        for one in check_tree(DirectoryTree(checkout), [f"{DIRECTORY}/model.yaml"])
        if one.subject == "serving.details"
    ]
    assert problem.line == len(model.splitlines())
    assert problem.allowed == "serving.kind: python beside it"
