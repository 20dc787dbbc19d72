"""The flight model in every kind, and a regression: trained as the stages do, served by a local platform.

Each is a process of this engine in this environment, behind an Envoy of its own, with the workspace's features.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.live import ROOT
from benchmarks.load import Target
from bighead_ci.callers.requests import requests_of
from bighead_ci.clocks import SystemClock
from bighead_ci.definitions.files import Files
from bighead_ci.definitions.loading import load_model, load_source
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.stages.orders import leave_orders
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.demo.ship import Ship
from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.definition import DeclaredKind
from bighead_ci.documents.environment import Router
from bighead_ci.documents.image import ImageManifest, LocalImage
from bighead_ci.documents.live import DesiredModel, DesiredVariant
from bighead_ci.documents.stage import BOOKKEEPING, LABEL
from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.features.parquet import read_file
from bighead_ci.model_code.scorer import code_loaders
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.meaning import data_path
from bighead_ci.planning.stages import TRAINING_SET, TRAINING_SUMMARY, servers_of, serving_image, stage_called
from bighead_ci.platforms.local import LocalPlatform
from bighead_ci.platforms.processes import ProcessRuntime
from bighead_ci.ports.progress import silent
from bighead_ci.scorers.artifact import artifact_digest, load_artifact
from bighead_ci.scorers.registry import LOADERS

BASELINE, TREES, REGRESSION = "models/flight_delay/v1", "models/flight_delay/v2", "models/arrival_delay/v1"
GRAPH, PYTHON, XGBOOST = (f"models/flight_delay/v{number}" for number in (7, 8, 9))
CALLERS_ROWS = 200
READY_SECONDS = 120.0
GRAPH_CODE = """

class Graph(Pipeline):
    '''A pipeline that is served as a graph, although a weighted sum needs none.'''

    def to_onnx(self, inputs):
        from bighead_ci.transforms.sklearn_estimator import to_onnx

        return to_onnx(Pipeline(self.steps), inputs)
"""
XGB_CODE = '''
"""The same columns for XGBoost's trees."""

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from xgboost import XGBClassifier


def build(parameters):
    """The untrained pipeline."""
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("categories", encoder, ["carrier", "origin"])], remainder="passthrough")
    trees = XGBClassifier(
        n_estimators=parameters["trees"],
        max_leaves=parameters["leaves"],
        learning_rate=parameters["learning_rate"],
        tree_method="hist",
        random_state=0,
    )
    return Pipeline([("columns", columns), ("classifier", trees)])
'''


@dataclass(frozen=True)
class Trained:
    """A version with its artifact."""

    checkout: Path
    directory: str
    kind: DeclaredKind | None
    """As model.yaml has it."""

    @property
    def path(self) -> Path:
        """The version's directory."""
        return self.checkout / self.directory

    @property
    def artifact(self) -> Path:
        """What training left."""
        return self.path / "out" / "artifact"

    @property
    def manifest(self) -> ArtifactManifest:
        """The artifact's own."""
        return ArtifactManifest.read(self.artifact / "artifact.json")

    def rows(self) -> list[dict[str, Any]]:
        """Inputs of rows that it was trained on, as its process hands them to the model."""
        table = read_file(self.path / "out" / TRAINING_SET)
        inputs = [column.name for column in self.manifest.inputs]
        return [dict(row) for row in table.select(inputs).slice(0, CALLERS_ROWS).to_pylist()]

    def in_process_ms(self) -> float:
        """Median of scoring one row of inputs in this process, its frame included."""
        loaders = {**LOADERS, **code_loaders(self.path)}
        scorer = load_artifact(self.artifact, artifact_digest(self.artifact), loaders)
        times = []
        for row in self.rows():
            began = time.perf_counter()
            scorer.score_row(row)
            times.append(time.perf_counter() - began)
        return round(float(np.median(times)) * 1000, 3)


class Variants:
    """Trains versions in the clone of a shipped demonstration."""

    def __init__(self, ship: Ship, scratch: Path) -> None:
        self._ship = ship
        self._clone = ship.clone
        self._scratch = scratch
        for directory in (BASELINE, TREES, REGRESSION):
            if not (self._clone / directory).exists():
                shutil.copytree(ROOT / directory, self._clone / directory, ignore=shutil.ignore_patterns("out"))
        shutil.copytree(ROOT / "models" / "_locks", self._clone / "models" / "_locks", dirs_exist_ok=True)

    def trained(self, directory: str) -> Trained:
        """A version of the repository, by `bighead train`; its stages that ran before come from the cache."""
        self._ship.narrator.bighead("train", directory)
        return Trained(self._clone, directory, None)

    def as_graph(self) -> Trained:
        """v1 as ONNX."""
        code = (ROOT / BASELINE / "model.py").read_text()
        return self._derived(GRAPH, None, BASELINE, code=code.replace("return Pipeline(", "return Graph(") + GRAPH_CODE)

    def as_python(self) -> Trained:
        """v2 whose own code answers."""
        return self._derived(PYTHON, "python", TREES, model=lambda text: f"{text}\nserving: {{kind: python}}\n")

    def with_xgboost(self) -> Trained:
        """v2's columns and features for XGBoost."""
        return self._derived(XGBOOST, None, TREES, code=XGB_CODE)

    def _derived(
        self, directory: str, kind: DeclaredKind | None, like: str, *, model: Any = str, code: str | None = None
    ) -> Trained:
        """Another version with something else, trained on its rows by the stage `train` in this environment."""
        origin, path = self._clone / like, self._clone / directory
        if not (origin / "out" / TRAINING_SET).exists():
            self.trained(like)
        shutil.copytree(origin, path, ignore=shutil.ignore_patterns("out", "dvc.*"))
        (path / "model.yaml").write_text(model((origin / "model.yaml").read_text()))
        if code is not None:
            (path / "model.py").write_text(code)
        shutil.copyfile(path / "training.lock", path / "serving.lock")
        place = StagePlace(self._clone, directory)
        leave_orders(place, Inputs(Files(DirectoryTree(self._clone)), InstalledEngine()), silent)
        for name in (TRAINING_SET, TRAINING_SUMMARY):
            shutil.copyfile(origin / "out" / name, place.out / name)
        module = stage_called("train", kind).module
        command = [sys.executable, "-m", module, str(self._clone), directory, str(place.out)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=sys.stderr)
        return Trained(self._clone, directory, kind)

    def bodies(self, version: Trained) -> list[dict[str, Any]]:
        """What callers send: the flights of the next two hours."""
        context, tree = self._ship.context, DirectoryTree(version.checkout)
        _, name, number = version.directory.split("/")
        definition = load_model(tree, name, number).definition
        source = load_source(tree, definition.spine.source)
        main = context.main()
        path = context.orchestrator.sources(main.commit, silent, [data_path(source)]) / data_path(source)
        found = requests_of(definition.request, definition.spine.source, source, path, context.data_clock.now())
        return found[:CALLERS_ROWS]

    @contextmanager
    def served(self, called: str, version: Trained) -> Iterator[Target]:
        """A version through an Envoy of its own."""
        workspace = self._ship.context.workspace
        digest = artifact_digest(version.artifact)
        platform = LocalPlatform(
            called,
            self._scratch,
            router=Router(port=0),
            runtime=lambda directory: ProcessRuntime(directory, lambda _: _image(version), self._scratch / "bytecode"),
            artifact=lambda _: version.artifact,
            online_store=workspace.online_store,
            predictions=self._scratch / "predictions",
            clock=SystemClock(),
            clock_offset_seconds=workspace.clock_offset_seconds,
        )
        manifest = version.manifest
        variant = DesiredVariant(
            name=called, model=manifest.model, version=manifest.version, image=f"local/{called}@{digest_of(called)}",
            artifact=digest, run=called, weight=100,
        )  # fmt: skip
        try:
            platform.start()
            platform.ensure_variant(variant, READY_SECONDS)
            model = DesiredModel(environment=called, model=manifest.model, commit="0" * 40, variants=[variant])
            platform.route(model)
            (live,) = platform.observe()
            pids = [one.pid for one in live.variants if one.pid is not None]
            yield Target(f"{live.url}/predict", _encoded(self.bodies(version)), pids)
        finally:
            platform.stop()


def _encoded(bodies: Sequence[Mapping[str, Any]]) -> list[bytes]:
    return [json.dumps(body).encode() for body in bodies]


def _image(version: Trained) -> LocalImage:
    """What a built image would run, from this checkout and environment."""
    manifest = version.manifest
    digest = digest_of(version.directory)
    return LocalImage(
        manifest=ImageManifest(
            key=digest,
            target="serve",
            model=manifest.model,
            version=manifest.version,
            python=f"{sys.version_info.major}.{sys.version_info.minor}",
            lock=digest,
            entry_point=servers_of(version.kind)[serving_image(version.kind, manifest.kind)].module,
            files={},
        ),
        code=version.path,
        engine=ROOT,
        interpreter=Path(sys.executable),
    )


def training_columns(version: Trained) -> tuple[Any, Any, Any]:
    """Rows to train on and their labels, and rows to ask with, as pandas has them."""
    table = read_file(version.path / "out" / TRAINING_SET).to_pandas()
    inputs = table.drop(columns=[name for name in (*BOOKKEEPING, LABEL) if name in table])
    train = table["__part"] == "train"
    return inputs[train], table[LABEL][train].astype(int), inputs.head(CALLERS_ROWS)
