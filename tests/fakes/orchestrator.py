"""An orchestrator without stages: it leaves what they would leave, in the documented shapes."""

from __future__ import annotations

import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bighead_ci.definitions.files import Files
from bighead_ci.delivery.stages.predictions import predictions_table
from bighead_ci.delivery.stages.results import MeasuredConversion
from bighead_ci.documents.artifact import ArtifactManifest, Kind
from bighead_ci.documents.base import short
from bighead_ci.documents.definition import VersionedModel
from bighead_ci.documents.inputs import VersionInputs, changed_inputs
from bighead_ci.documents.record import Conversion, Metric, RunResult, Timings
from bighead_ci.documents.sandbox import SandboxKind
from bighead_ci.documents.stage import RecordSpec, TrainingSetSpec
from bighead_ci.documents.target import Target
from bighead_ci.errors import BigheadError, InputError, Problem
from bighead_ci.features.arrow import ARROW_TYPES
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.specs import stage_specs
from bighead_ci.planning.stages import ARTIFACT, CONVERSION, PREDICTIONS, SAMPLE, STAGES
from bighead_ci.ports.engine import Engine
from bighead_ci.ports.orchestrator import Outcome
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.tree import Tree
from bighead_ci.tasks.scored import Scored
from fakes.record_samples import make_artifact, make_record

ROWS = 400
SOURCES = "features/sources"


class MemoryOrchestrator:
    """`Orchestrator` of a machine that has the data which each commit names, unless a test says otherwise.

    Args:
        directory: Where outcomes and sources lie.
        tree: The files of a commit.
        engine: Whose stages these would be.
    """

    def __init__(self, directory: Path, tree: Callable[[str], Tree], engine: Engine) -> None:
        self.directory = directory
        self.tree = tree
        self.engine = engine
        self.skill: dict[str, float] = {}
        """Model directory → how far the scores of positive rows lie above the others'; default 1."""
        self.kinds: dict[str, Kind] = {}
        """Model directory → what its estimator turns out to become; default `onnx`."""
        self.learned: Callable[[Mapping[str, Any]], float] = lambda _: 1.0
        """Parameters of a version → what they make of that."""
        self.trained: list[str] = []
        self.data: dict[str, str] = {}
        """Path of a source's data → digest of what this machine makes in place of what dvc.lock names."""
        self.error: BigheadError | None = None
        """Raised by the next runs."""
        self.before: Callable[[str], None] = lambda _: None
        """Called with the model's directory before each run."""
        self.sandbox: SandboxKind = "bubblewrap"
        self._done: dict[str, float] = {}
        """Key of a stage that has run → the skill that it ran with."""
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    @contextmanager
    def run(self, commit: str, inputs: VersionInputs, progress: Progress) -> Iterator[Outcome]:
        """Write what the stages would leave."""
        with self.run_tree(self.tree(commit), inputs, progress) as outcome:
            yield outcome

    @contextmanager
    def run_tree(self, tree: Tree, inputs: VersionInputs, progress: Progress) -> Iterator[Outcome]:
        """The same of any files."""
        self.before(f"models/{inputs.id}")
        if self.error is not None:
            raise self.error
        planning = Inputs(Files(tree), self.engine)
        model = planning.definitions.model(inputs.model, inputs.version)
        self._check(inputs, planning.of(model))
        self.trained.append(model.path)
        timings = self._timings(inputs, self.skill.get(model.path, 1.0), progress)
        out = self.directory / inputs.content_key.removeprefix("sha256:") / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        yield Outcome(self._write(model, planning, inputs, out), out, timings, self.sandbox)
        shutil.rmtree(out)

    @contextmanager
    def exclusive(self, key: str, progress: Progress) -> Iterator[None]:
        """Hold the lock of the key."""
        lock = self._locks[key]
        if not lock.acquire(blocking=False):
            progress(f"another process makes content key {short(key)}; waiting for it")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def sources(self, commit: str, progress: Progress, needed: Collection[str] | None = None) -> Path:
        """A directory with the commit's files and a Parquet file without rows where each source has its data."""
        tree = self.tree(commit)
        files, directory = Files(tree), self.directory / f"sources-{commit[:12]}"
        every = {f"{SOURCES}/{source.path}" for name in files.names("source") if (source := files.source(name))}
        self._have(every if needed is None else set(needed))
        progress("sources: in place")
        for path in tree.files():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(tree.read(path))
        for name in files.names("source"):
            source = files.source(name)
            if source is not None:
                columns = {column: pa.array([], ARROW_TYPES[kind]) for column, kind in source.columns.items()}
                pq.write_table(pa.table(columns), directory / SOURCES / source.path)
        return directory

    def _skill(self, model: VersionedModel) -> float:
        return self.skill.get(model.path, 1.0) * self.learned(model.definition.parameters)

    def _check(self, planned: VersionInputs, read: VersionInputs) -> None:
        """Nothing else is read than what was planned."""
        self._have({name.removeprefix("data:") for name in planned.stages["training-set"] if name.startswith("data:")})
        if planned.content_key != read.content_key:
            changed = changed_inputs(planned, read)
            raise InputError(
                Problem(file=f"models/{planned.id}", subject=name, message="planned and read differ", value=now)
                for name, (_, now) in changed.items()
            )

    def _have(self, paths: set[str]) -> None:
        """This machine makes the data that dvc.lock names."""
        if others := sorted(paths & self.data.keys()):
            message = "the data is not what dvc.lock names"
            raise InputError(
                Problem(file="dvc.lock", subject=path, message=message, value=self.data[path]) for path in others
            )

    def _timings(self, inputs: VersionInputs, skill: float, progress: Progress) -> Timings:
        """A stage whose key has been run is reused; training takes a second."""
        seconds, reused = dict[str, float](), list[str]()
        for stage in STAGES:
            key = inputs.stage_key(stage.name)
            if self._done.get(key) == skill:
                reused.append(stage.name)
                progress(f"{stage.name}: reused")
            else:
                progress(f"{stage.name} …")
            seconds[stage.name] = 1.0 if stage.name == "train" and stage.name not in reused else 0.0
            self._done[key] = skill
        return Timings(seconds=seconds, reused=reused)

    def _write(self, model: VersionedModel, planning: Inputs, inputs: VersionInputs, out: Path) -> RunResult:
        skill = self._skill(model)
        specs = stage_specs(planning.definitions, model)
        training_set, spec = specs["training-set"], specs["record"]
        assert isinstance(training_set, TrainingSetSpec)
        assert isinstance(spec, RecordSpec)
        artifact = make_artifact(out / ARTIFACT, f"{inputs.stage_key('train')} {skill}")
        ArtifactManifest(
            model=model.name,
            version=model.version,
            target=Target(task="binary", outputs=["0", "1"]),
            inputs=[],
            request=spec.request,
            features=spec.features,
            feature_keys={},
        ).write(artifact / "artifact.json")
        _write_tables(out, skill)
        kind = self.kinds.get(model.path, "onnx")
        conversion = Conversion(kind=kind, rows=ROWS, adversarial_rows=9, tolerance=1e-5, largest=0.0)
        MeasuredConversion(conversion=conversion, milliseconds=0.5).write(out / CONVERSION)
        auc = min(0.99, 0.5 + skill / 4)
        sample = make_record(artifact)
        metrics = {"auc": Metric(value=auc, low=auc - 0.02, high=auc + 0.02)}
        fields = {name: getattr(sample, name) for name in RunResult.model_fields}
        return RunResult.model_validate(
            fields
            | {name: getattr(spec, name) for name in RecordSpec.model_fields if name in RunResult.model_fields}
            | {
                "content_key": inputs.content_key,
                "inputs": inputs,
                "task": "binary",
                "artifact_bytes": 1000,
                "data": {data.path: data.digest for data in training_set.data.values()},
                "evaluation": sample.evaluation.model_copy(
                    update={"metrics": metrics, "slices": [], "rows": ROWS, "conversion": conversion}
                ),
            }
        )


def _write_tables(out: Path, skill: float) -> None:
    """Predictions of the evaluation rows, and a sample of the training rows."""
    events = np.arange(ROWS)
    truth = events % 2
    noise = np.random.default_rng(0).normal(0, 1, ROWS)
    positive = 1 / (1 + np.exp(-(skill * 2 * (truth - 0.5) + noise)))
    scores = np.column_stack([1 - positive, positive])
    rows = pa.table({"__event_id": events})
    pq.write_table(
        predictions_table(rows, Scored(Target(task="binary", outputs=["0", "1"]), truth, scores)), out / PREDICTIONS
    )
    table = {"distance": events[events % 4 != 0] * 10}
    pq.write_table(pa.table(table), out / SAMPLE)
