"""A delivery context in memory: verbs run whole on it, without git, MLflow, DVC, Envoy or processes."""

from __future__ import annotations

import copy
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bighead_ci.definitions.files import Files
from bighead_ci.definitions.loading import load_release
from bighead_ci.delivery.approvals import review
from bighead_ci.delivery.checks import CI, REQUIRED
from bighead_ci.delivery.main import Main, Mainline
from bighead_ci.delivery.merge import merge_pull_request
from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.base import Document, Moment, digest_of, digest_of_bytes, short
from bighead_ci.documents.definition import EnvironmentDefinition, VersionedFeatureSet, VersionedModel
from bighead_ci.documents.forge import BOT, PullRequest, PullRequestSummary
from bighead_ci.documents.image import ImageManifest, ImageRecipe, ImageRef
from bighead_ci.documents.inputs import VersionInputs
from bighead_ci.documents.record import (
    Metric,
    RunResult,
    Timings,
)
from bighead_ci.documents.release import Release
from bighead_ci.errors import BigheadError, RetryError
from bighead_ci.features.arrow import ARROW_TYPES
from bighead_ci.features.meaning import use_schema
from bighead_ci.planning.dvc_pipeline import dvc_yaml
from bighead_ci.planning.meaning import Definitions
from bighead_ci.ports.engine import Engine
from bighead_ci.ports.offline_store import Sources
from bighead_ci.ports.online_store import OnlineStore
from bighead_ci.ports.orchestrator import Outcome
from bighead_ci.ports.repository import MAIN
from bighead_ci.ports.tree import Tree
from bighead_ci.reporting.renderer import Renderer
from bighead_ci.transforms.metrics import predictions_table
from fakes.clock import FixedClock
from fakes.drift import MemoryDriftDetector
from fakes.engine import MemoryEngine
from fakes.forge import MemoryForge, MemoryRepository
from fakes.memory_tree import MemoryTree, dedented, model_files, repository
from fakes.offline_store import MemoryOfflineStore
from fakes.online_store import FakeOnlineStore
from fakes.platform import MemoryPlatform
from fakes.prediction_log import MemoryPredictionLog
from fakes.record_samples import make_artifact, make_record
from fakes.record_store import MemoryRecordStore
from fakes.telemetry import MemoryTelemetry

POLICIES = Path(__file__).parents[2] / "policies"
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
ROWS = 400


class FakeImages:
    """Images by reference; a test loses one by taking it out of `built`."""

    def __init__(self) -> None:
        self.built: dict[str, ImageManifest] = {}
        self.answers = 0
        """Added to what goes into a reference: a builder may answer otherwise for the same key."""

    def ensure(self, recipe: ImageRecipe, tree: Tree, progress: Callable[[str], None]) -> ImageRef:
        """Remember the image."""
        manifest = ImageManifest(
            key=recipe.key,
            target=recipe.target,
            model=recipe.model,
            version=recipe.version,
            python=recipe.python,
            lock=digest_of_bytes(tree.read(recipe.lock)),
            files={path: digest_of_bytes(tree.read(path)) for path in recipe.files},
        )
        digest = digest_of([manifest.model_dump(), self.answers])
        reference = f"memory/{recipe.model}@{digest}"
        progress(f"image {reference}")
        self.built[reference] = manifest
        return ImageRef(key=recipe.key, reference=reference)

    def find(self, reference: str) -> ImageManifest | None:
        """The image, unless it was lost."""
        return self.built.get(reference)


class FakeOrchestrator:
    """Leaves the stage outputs of a model whose `skill` a test sets, in the documented shapes."""

    def __init__(self, directory: Path, tree: Callable[[str], Tree]) -> None:
        self.directory = directory
        self.tree = tree
        self.skill: dict[str, float] = {}
        """Model directory → how far the scores of positive rows lie above the others'; default 1."""
        self.trained: list[str] = []
        self.error: BigheadError | None = None
        """Raised by the next runs."""
        self.before: Callable[[str], None] = lambda _: None
        """Called with the model's directory before each run."""
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    @contextmanager
    def run(self, commit: str, inputs: VersionInputs, progress: Callable[[str], None]) -> Iterator[Outcome]:
        """Write what the stages would leave."""
        self.before(f"models/{inputs.id}")
        if self.error is not None:
            raise self.error
        self.trained.append(f"models/{inputs.id}")
        progress("train: runs")
        out = self.directory / inputs.content_key.removeprefix("sha256:") / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        definitions = Definitions(Files(self.tree(commit)))
        result = self._write(definitions.model(inputs.model, inputs.version), definitions, inputs, out)
        yield Outcome(result, out, Timings(seconds={"train": 1.0}, reused=[]))
        shutil.rmtree(out)

    @contextmanager
    def exclusive(self, key: str, progress: Callable[[str], None]) -> Iterator[None]:
        """Hold the lock of the key."""
        lock = self._locks[key]
        if not lock.acquire(blocking=False):
            progress(f"another process makes content key {short(key)}; waiting for it")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def sources(self, commit: str, progress: Callable[[str], None]) -> Path:
        """A directory with a Parquet file without rows where each source has its data."""
        progress("sources: in place")
        directory = self.directory / f"sources-{commit[:12]}"
        files = Files(self.tree(commit))
        for name in files.names("source"):
            source = files.source(name)
            if source is not None:
                columns = {column: pa.array([], ARROW_TYPES[kind]) for column, kind in source.columns.items()}
                path = directory / "features/sources" / source.path
                path.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(pa.table(columns), path)
        return directory

    def _write(self, model: VersionedModel, definitions: Definitions, inputs: VersionInputs, out: Path) -> RunResult:
        skill = self.skill.get(model.path, 1.0)
        schemas = [use_schema(definitions.feature_set(use.set), use) for use in model.definition.features]
        artifact = make_artifact(out / "artifact", f"{model.path} {skill} {model.definition.parameters}")
        ArtifactManifest(
            model=model.name,
            version=model.version,
            task="binary",
            classes=["0", "1"],
            inputs=[],
            request=model.definition.request,
            features=schemas,
            feature_keys={},
        ).write(artifact / "artifact.json")
        _write_tables(out, skill)
        auc = min(0.99, 0.5 + skill / 4)
        sample = make_record(artifact)
        metrics = {"auc": Metric(value=auc, low=auc - 0.02, high=auc + 0.02)}
        fields = {name: getattr(sample, name) for name in RunResult.model_fields}
        return RunResult.model_validate(
            fields
            | {
                "model": model.name,
                "version": model.version,
                "content_key": inputs.content_key,
                "inputs": inputs,
                "artifact_bytes": 1000,
                "parameters": model.definition.parameters,
                "request": model.definition.request,
                "features": schemas,
                "serving": model.definition.serving,
                "evaluation": sample.evaluation.model_copy(update={"metrics": metrics, "slices": []}),
            }
        )


def _write_tables(out: Path, skill: float) -> None:
    """Predictions of the evaluation rows, and a sample of the training rows."""
    events = np.arange(ROWS)
    truth = events % 2
    noise = np.random.default_rng(0).normal(0, 1, ROWS)
    positive = 1 / (1 + np.exp(-(skill * 2 * (truth - 0.5) + noise)))
    scores = np.column_stack([1 - positive, positive])
    pq.write_table(
        predictions_table(pa.chunked_array([events]), truth, scores, ["0", "1"]), out / "predictions.parquet"
    )
    part = np.where(events % 4 == 0, "evaluate", "train")
    table = {"distance": events[part == "train"] * 10}
    pq.write_table(pa.table(table), out / "training_sample.parquet")


class PlainPages(Renderer):
    """The real Markdown; pages with plots take seconds and have their own tests."""

    def html(self, report: Document, page: Path) -> None:
        """A page without plots."""
        page.write_text(f"<pre>{report.model_dump_json()}</pre>")


class RecordingOfflineStore(MemoryOfflineStore):
    """Remembers which sets it was asked to materialise; the online store takes one writer."""

    def __init__(self) -> None:
        self.materialized: list[str] = []
        self.patience_seconds = 0.0
        """How long a writer stays, unless a second one comes meanwhile."""
        self._writer = threading.Lock()
        self._second = threading.Event()

    def materialize(
        self, sets: Sequence[VersionedFeatureSet], sources: Sources, until: Moment, online: OnlineStore
    ) -> int:
        """Publish each set."""
        if not self._writer.acquire(blocking=False):
            self._second.set()
            raise RetryError("the online store is locked by another writer")
        self._second.wait(self.patience_seconds)
        try:
            self.materialized += [one.id for one in sets]
            return super().materialize(sets, sources, until, online)
        finally:
            self._writer.release()


class FakeContext:
    """`delivery.Context` of doubles, over a small repository with the project's own gates.

    Main has the model `late/v1`, the environments `staging` (all traffic at once) and `prod` (10, 50, 100 %).
    """

    def __init__(self, directory: Path) -> None:
        self.records_in_a_clone = "$(records)"
        self.reports = directory / "reports"
        self.identity = BOT
        self.clock = FixedClock(START)
        self.data_clock = FixedClock(datetime(2013, 10, 1, 21, tzinfo=UTC))
        self.engine: Engine = MemoryEngine()
        self.repository = MemoryRepository(self.clock)
        self.mainline = Mainline(self.repository)
        self.forge = MemoryForge(self.repository, self.clock, BOT, REQUIRED)
        self.records = MemoryRecordStore(directory / "records")
        self.images = FakeImages()
        self.orchestrator = FakeOrchestrator(directory / "checkouts", self.repository.tree)
        self.drift = MemoryDriftDetector()
        self.renderer = PlainPages(pictures=False)
        self.platforms = {name: MemoryPlatform(name, self.clock) for name in ("staging", "prod")}
        self.telemetries = {name: MemoryTelemetry(self.clock) for name in ("staging", "prod")}
        self.offline_store = RecordingOfflineStore()
        self.online_store = FakeOnlineStore()
        self.predictions = MemoryPredictionLog()
        gates = {f"policies/{file.name}": file.read_text() for file in sorted(POLICIES.glob("*.yaml"))}
        first = repository(**{"policies/whole.yaml": None}, **model_version("v1"), **gates)
        self.change_main(first, "the first commit")

    def acting(self, identity: str) -> Self:
        """The same context for somebody else."""
        other = copy.copy(self)
        other.identity = identity
        other.forge = self.forge.acting(identity)
        return other

    def platform(self, environment: str, definition: EnvironmentDefinition) -> MemoryPlatform:
        """The one of the environment."""
        assert definition.platform == "local"
        return self.platforms[environment]

    def abandoned(self, named: Collection[str]) -> dict[str, MemoryPlatform]:
        """Those in use that are not among the named."""
        return {name: one for name, one in self.platforms.items() if name not in named and one.in_use()}

    def telemetry(self, environment: str, definition: EnvironmentDefinition) -> MemoryTelemetry:
        """The one of the environment."""
        assert definition.platform == "local"
        return self.telemetries[environment]

    def open_online_store(self, *, readonly: bool) -> OnlineStore:
        """The one store; nothing is locked."""
        assert isinstance(readonly, bool)
        return self.online_store

    def main(self, branch: str = MAIN) -> Main:
        """Main as it is now."""
        return self.mainline.at(branch)

    @property
    def tip(self) -> str:
        """Where main is."""
        return self.repository.resolve(MAIN)

    def change_main(self, changes: Mapping[str, str | None], subject: str) -> str:
        """Commit straight to main, a minute after what was before."""
        self.clock.forward(60)
        return self.repository.commit("main", self.tip, encoded(changes), subject, "ada")

    def propose(self, branch: str, changes: Mapping[str, str | None], author: str = "ada") -> PullRequest:
        """Push a branch that changes main, and open (or update) its pull request."""
        parent = self.repository.branches.get(branch, self.tip)
        self.repository.commit(branch, parent, encoded(changes), branch, author)
        opened = self.acting(author).forge.open(branch, "main", f"Change of {branch}", "")
        return self.forge.get(opened.number)

    def approve_and_merge(self, number: int) -> PullRequestSummary:
        """What a person does with a pull request whose checks have passed; a minute passes."""
        pull = self.forge.get(number)
        self.clock.forward(60)
        self.forge.set_check(pull.head, CI, "success", "passed", self.tip)
        grace = self.acting("grace")
        review(grace, number, approved=True)
        return merge_pull_request(grace, number, pull.head)

    def release(self, environment: str, model: str = "late") -> Release | None:
        """The release on main."""
        tree = self.repository.tree("main")
        if f"environments/{environment}/{model}.yaml" not in tree.files():
            return None
        return load_release(tree, environment, model).release

    def split(self, environment: str) -> dict[str, int]:
        """Version → weight, by main."""
        release = self.release(environment)
        return {variant.version: variant.weight for variant in release.variants} if release else {}

    def live(self, environment: str) -> dict[str, int]:
        """Version → weight, by the platform; 0 for a variant that stands by."""
        models = self.platforms[environment].observe()
        return {variant.version: variant.weight for model in models for variant in model.variants}


def model_version(version: str, model: str = "late") -> dict[str, str]:
    """The files of a version, with the `dvc.yaml` that is generated for its place."""
    folder = f"models/{model}/{version}"
    files = model_files(folder)
    tree = MemoryTree(repository(**files))
    return files | {f"{folder}/dvc.yaml": dvc_yaml(tree, model, version)}


def encoded(changes: Mapping[str, str | None]) -> dict[str, bytes | None]:
    """Texts as a repository takes them; indented ones without their indentation."""
    kept = dedented({path: text for path, text in changes.items() if text is not None})
    return {path: kept[path].encode() if path in kept else None for path in changes}
