"""A checkout with one small model and one feature set, and an offline store that makes its training set up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bighead_ci.documents.artifact import ImageManifest
from bighead_ci.documents.base import Moment, digest_of_bytes
from bighead_ci.documents.definition import VersionedFeatureSet, VersionedModel
from bighead_ci.documents.record import TrainingSetSummary
from bighead_ci.ports.offline_store import Sources
from bighead_ci.ports.online_store import OnlineStore

DIRECTORY = "models/late/v1"

SOURCE = """\
owner: ops
path: flights.parquet
timestamp: at
event_id: id
columns: {id: int64, at: timestamp, carrier: string, hour: int64, delay: float64, late: int64}
"""
FEATURE_SET = """\
owner: ops
source: flights
key: [carrier]
aggregations:
  - {column: delay, operations: [mean, max], windows: [1h]}
"""
FEATURE_EXPECTATIONS = """\
expectations:
  - {type: expect_column_values_to_not_be_null, kwargs: {column: delay_mean_1h}}
  - {type: expect_column_values_to_not_be_null, kwargs: {column: delay_max_1h}}
"""
MODEL = """\
owner: ops
description: A small one.
task: binary
spine: {source: flights}
label: {source: flights, column: late, offset: 1h}
split: {kind: hash, evaluate_percent: 25}
as_of: 2013-10-01T00:00:00Z
request:
  carrier: {type: string}
  hour: {type: int64}
features:
  - {set: delays/v1, columns: [delay_mean_1h]}
parameters: {strength: 1.0}
evaluation: {primary: auc, slices: [carrier], bootstrap_samples: 50}
"""
CODE = '''\
"""Logistic regression."""

from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder


def build(parameters):
    """The pipeline."""
    text = OneHotEncoder(handle_unknown="ignore")
    columns = ColumnTransformer([("text", text, ["carrier"])], remainder="passthrough")
    return Pipeline([("columns", columns), ("classifier", LogisticRegression(C=parameters["strength"]))])
'''
EXPECTATIONS = """\
expectations:
  - {type: expect_column_values_to_not_be_null, kwargs: {column: hour}}
"""
GOLDEN_ROW = {"carrier": "AA", "hour": 3, "delays.delay_mean_1h": 4.5}
INPUTS = ["carrier", "hour", "delays.delay_mean_1h"]


def write_checkout(root: Path, code: str = CODE, model: str = MODEL) -> Path:
    """Write the authored files and return the checkout."""
    files = {
        "features/sources/flights.yaml": SOURCE,
        "features/delays/v1/feature_set.yaml": FEATURE_SET,
        "features/delays/v1/expectations.yaml": FEATURE_EXPECTATIONS,
        f"{DIRECTORY}/model.yaml": model,
        f"{DIRECTORY}/model.py": code,
        f"{DIRECTORY}/golden_rows.json": json.dumps([GOLDEN_ROW]),
        f"{DIRECTORY}/expectations.yaml": EXPECTATIONS,
        f"{DIRECTORY}/requirements.lock": "",
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


class MadeUpStore:
    """Writes rows whose label follows the hour and the delay."""

    def __init__(self, rows: int = 600, **columns: pa.Array) -> None:
        self.rows = rows
        self.columns = columns

    def training_set(
        self, model: VersionedModel, sets: Sequence[VersionedFeatureSet], sources: Sources, destination: Path
    ) -> TrainingSetSummary:
        """The training set of the checkout's model."""
        assert model.path == DIRECTORY
        assert [one.id for one in sets] == ["delays/v1"]
        assert set(sources) == {"flights"}
        generator = np.random.default_rng(0)
        hour, delay = generator.integers(0, 24, self.rows), generator.normal(5, 10, self.rows)
        late = (hour + delay + generator.normal(0, 4, self.rows) > 18).astype(np.int64)
        evaluate = np.arange(self.rows) % 4 == 0
        columns = {
            "__event_id": np.arange(self.rows),
            "__part": np.where(evaluate, "evaluate", "train"),
            "__label": late,
            "carrier": generator.choice(["AA", "UA", "DL"], self.rows),
            "hour": hour,
            "delays.delay_mean_1h": delay,
        }
        pq.write_table(pa.table(columns | self.columns), destination)
        return TrainingSetSummary(
            rows=self.rows, train_rows=int((~evaluate).sum()), evaluate_rows=int(evaluate.sum()), outside_split=0,
            unlabelled=0, immature=0, columns=INPUTS, seconds=0.1,
        )  # fmt: skip

    def features_at(
        self,
        feature_set: VersionedFeatureSet,
        sources: Sources,
        keys: Mapping[str, Sequence[Any]],
        timestamps: Sequence[int],
        known_before: int | None = None,
    ) -> dict[str, list[Any]]:
        """Not what a stage may ask for."""
        raise AssertionError((feature_set, sources, keys, timestamps, known_before))

    def materialize(
        self, sets: Sequence[VersionedFeatureSet], sources: Sources, until: Moment, online: OnlineStore
    ) -> int:
        """Not what a stage may ask for."""
        raise AssertionError((sets, sources, until, online))


class PlannedImages:
    """Knows the digest of an image from its lock, and builds none."""

    def plan(self, model_directory: Path, model: str, version: str) -> str:
        """A digest that follows the lock."""
        return digest_of_bytes((model_directory / "requirements.lock").read_bytes() + f"{model}{version}".encode())

    def build(self, model_directory: Path, model: str, version: str) -> ImageManifest:
        """Not what a stage may ask for."""
        raise AssertionError(f"a stage built an image of {model}/{version} in {model_directory}")

    def find(self, digest: str) -> ImageManifest | None:
        """Not what a stage may ask for."""
        raise AssertionError(f"a stage looked for image {digest}")
