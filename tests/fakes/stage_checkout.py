"""A checkout with one small model, one feature set and the rows of its source."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bighead_ci.definitions.files import Files
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.stages.orders import leave_orders
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.training_set import make_training_set
from bighead_ci.planning.inputs import Inputs
from bighead_ci.ports.engine import Engine
from bighead_ci.ports.progress import silent
from fakes.engine import MemoryEngine
from fakes.local_bench import satisfied_lock
from fakes.offline_store import MemoryOfflineStore

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
  - {column: delay, operations: [mean, max], windows: [1h], default: 0.0}
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
ROWS = 600


def md5(data: bytes) -> str:
    """By which dvc.lock names data."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def flights(**columns: pa.Array) -> bytes:
    """The source's data: a flight every five minutes, late by its hour; `columns` replace some."""
    generator = np.random.default_rng(0)
    hour = generator.integers(0, 24, ROWS)
    start = datetime(2013, 1, 1, tzinfo=UTC)
    table = {
        "id": pa.array(range(ROWS), pa.int64()),
        "at": pa.array([start + timedelta(minutes=5 * row) for row in range(ROWS)], pa.timestamp("us", tz="UTC")),
        "carrier": pa.array(generator.choice(["AA", "UA", "DL"], ROWS)),
        "hour": pa.array(hour, pa.int64()),
        "delay": pa.array(generator.normal(5, 10, ROWS)),
        "late": pa.array((hour + generator.normal(0, 3, ROWS) > 15).astype(np.int64)),
    }
    written = io.BytesIO()
    pq.write_table(pa.table(table | columns), written)
    return written.getvalue()


DATA = flights()
DATA_MD5 = md5(DATA)
LOCK = satisfied_lock()
GOLDEN_ROW = {"carrier": "AA", "hour": 3, "delays.delay_mean_1h": 4.5}
INPUTS = ["carrier", "hour", "delays.delay_mean_1h"]


def write_checkout(root: Path, code: str = CODE, model: str = MODEL, **columns: pa.Array) -> Path:
    """Write the authored files and the data, with these columns in place of its own, and return the checkout."""
    data = flights(**columns) if columns else DATA
    late = columns["late"].type if "late" in columns else pa.int64()
    kind = "string" if pa.types.is_string(late) else "float64" if pa.types.is_floating(late) else "int64"
    files = {
        "features/sources/flights.yaml": SOURCE.replace("late: int64", f"late: {kind}"),
        "features/delays/v1/feature_set.yaml": FEATURE_SET,
        "features/delays/v1/expectations.yaml": FEATURE_EXPECTATIONS,
        f"{DIRECTORY}/model.yaml": model,
        f"{DIRECTORY}/model.py": code,
        f"{DIRECTORY}/golden_rows.json": json.dumps([GOLDEN_ROW]),
        f"{DIRECTORY}/expectations.yaml": EXPECTATIONS,
        f"{DIRECTORY}/run.yaml": "as_of: 2013-10-01T00:00:00Z\n",
        f"{DIRECTORY}/training.lock": LOCK,
        f"{DIRECTORY}/serving.lock": LOCK,
        "dvc.lock": f"stages: {{make: {{outs: [{{path: features/sources/flights.parquet, md5: {md5(data)}}}]}}}}\n",
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "features/sources/flights.parquet").write_bytes(data)
    return root


def placed(root: Path, engine: Engine | None = None) -> StagePlace:
    """The version of a checkout, its stages told what they need."""
    place = StagePlace(root, DIRECTORY)
    leave_orders(place, Inputs(Files(DirectoryTree(root)), engine or MemoryEngine()), lambda _: None)
    return place


def place_with_rows(root: Path, code: str = CODE, model: str = MODEL, **columns: pa.Array) -> StagePlace:
    """The stage `training-set` has run on the source's rows."""
    place = placed(write_checkout(root, code, model, **columns))
    make_training_set(place, MemoryOfflineStore(), silent)
    return place


def evaluated() -> list[int]:
    """Event ids of the evaluation rows: a quarter, by their hash."""
    return [i for i in range(ROWS) if int(hashlib.sha256(str(i).encode()).hexdigest()[:16], 16) % 100 < 25]
