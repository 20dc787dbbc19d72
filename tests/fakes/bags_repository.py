"""A real repository of one small model, as its authors would begin it: a source, its import, a model from the template.

Its import writes what the environment variable `BIGHEAD_BAGS_SEED` says, which no file of the repository knows:
another machine may make other data.
"""

from __future__ import annotations

from pathlib import Path

from bighead_ci.definitions.scaffold import NewModel, new_model
from bighead_ci.definitions.source_scaffold import NewSource, new_source
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.orchestrators.dvc import DvcPipeline
from bighead_ci.planning.dvc_pipeline import dvc_yaml
from fakes.repositories import begin_repository, git

BAGS = "models/bags/v1"
DATA = "features/sources/bags.parquet"
SEED_VARIABLE = "BIGHEAD_BAGS_SEED"
BUILT = "train: model.py builds with scikit-learn "
"""Printed each time that model.py builds its estimator, with the version that it found."""

COLUMNS = {"bag": "int64", "at": "timestamp", "carrier": "string", "weight": "float64", "late": "bool"}
IMPORT = '''\
"""Bags that were late: heavy ones, mostly."""

import os
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

generator = np.random.default_rng(int(os.environ.get("BIGHEAD_BAGS_SEED", "1")))
weight = generator.normal(15, 5, 400)
start = datetime(2026, 1, 1, tzinfo=UTC)
table = pa.table({
    "bag": pa.array(range(400), pa.int64()),
    "at": pa.array([start + timedelta(hours=hour) for hour in range(400)], pa.timestamp("us", tz="UTC")),
    "carrier": generator.choice(["AA", "UA"], 400).tolist(),
    "weight": weight,
    "late": pa.array(weight + generator.normal(0, 3, 400) > 17),
})
pq.write_table(table, "features/sources/bags.parquet")
'''
ROOT_PIPELINE = """\
stages:
  import_bags:
    cmd: python features/sources/import_bags.py
    deps: [features/sources/import_bags.py]
    outs: [features/sources/bags.parquet]
    meta: {sandbox: {variables: [BIGHEAD_BAGS_SEED]}}
"""
REGULARISATION = f"""\
    from pathlib import Path

    import sklearn

    print("{BUILT}" + sklearn.__version__, flush=True)
    strength = float(Path(__file__).with_name("strength.txt").read_text())
"""


def begin_bags(directory: Path, pipeline: DvcPipeline) -> Path:
    """A work tree with the source, its data and `models/bags/v1`, committed; model.py reads a file beside it."""
    begin_repository(directory, bare=False)
    begun = {".dvc/config": "", ".dvcignore": ".bighead\n", ".gitignore": IGNORED, "dvc.yaml": ROOT_PIPELINE}
    write(directory, {path: text.encode() for path, text in begun.items()})
    write(directory, {"features/sources/import_bags.py": IMPORT.encode()})
    times = {"timestamp": "at", "known_at": None}
    write(directory, new_source(DirectoryTree(directory), "bags", NewSource(COLUMNS, "bag", times, "baggage")))
    pipeline.import_sources(directory, lambda _: None)
    write(directory, new_model(DirectoryTree(directory), "bags", NewModel(source="bags", label="late")))
    code = (directory / BAGS / "model.py").read_text()
    head, marker, rest = code.partition("    columns = ColumnTransformer([")
    code = (
        head
        + REGULARISATION
        + marker
        + rest.replace('parameters["regularisation"]', 'parameters["regularisation"] * strength')
    )
    write(directory, {f"{BAGS}/model.py": code.encode(), f"{BAGS}/strength.txt": b"1.0\n"})
    write(directory, {f"{BAGS}/dvc.yaml": dvc_yaml(DirectoryTree(directory), "bags", "v1").encode()})
    commit(directory, "bags")
    return directory


IGNORED = "*.parquet\n.bighead/\n.dvc/tmp/\n.dvc/config.local\nmodels/*/v*/out/\nmodels/*/v*/dvc.lock\n"


def write(directory: Path, files: dict[str, bytes]) -> None:
    """Write files below a directory."""
    for path, content in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)


def commit(directory: Path, message: str) -> str:
    """Commit everything, and the commit."""
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", message)
    return git(directory, "rev-parse", "HEAD")
