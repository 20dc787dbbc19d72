"""A checkout with one small model and one feature set, and an offline store that makes its training set up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bighead_ci.definitions.files import Files
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.stages.orders import leave_orders
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.documents.base import Moment
from bighead_ci.documents.definition import VersionedFeatureSet
from bighead_ci.documents.record import TrainingSetSummary
from bighead_ci.documents.stage import TrainingSetSpec
from bighead_ci.planning.inputs import Inputs
from bighead_ci.ports.engine import Engine
from bighead_ci.ports.offline_store import Sources
from bighead_ci.ports.online_store import OnlineStore
from fakes.engine import MemoryEngine
from fakes.local_bench import satisfied_lock

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
DATA = b"rows of flights"
DATA_MD5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
LOCK = satisfied_lock()
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
        f"{DIRECTORY}/run.yaml": "as_of: 2013-10-01T00:00:00Z\n",
        f"{DIRECTORY}/training.lock": LOCK,
        f"{DIRECTORY}/serving.lock": LOCK,
        "dvc.lock": f"stages:\n  make:\n    outs:\n    - {{path: features/sources/flights.parquet, md5: {DATA_MD5}}}\n",
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "features/sources/flights.parquet").write_bytes(DATA)
    return root


def placed(root: Path, engine: Engine | None = None) -> StagePlace:
    """The version of a checkout, its stages told what they need."""
    place = StagePlace(root, DIRECTORY)
    leave_orders(place, Inputs(Files(DirectoryTree(root)), engine or MemoryEngine()), lambda _: None)
    return place


class MadeUpStore:
    """Writes rows whose label follows the hour and the delay."""

    def __init__(self, rows: int = 600, **columns: pa.Array) -> None:
        self.rows = rows
        self.columns = columns

    def training_set(self, spec: TrainingSetSpec, files: Mapping[str, Path], destination: Path) -> TrainingSetSummary:
        """The training set of the checkout's model."""
        assert spec.path == DIRECTORY
        assert [one.id for one in spec.sets] == ["delays/v1"]
        assert set(files) == {"flights"}
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
            unlabelled=0, immature=0, columns=INPUTS,
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
