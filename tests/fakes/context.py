"""A delivery context in memory: verbs run whole on it, without git, MLflow, DVC, Envoy or processes."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bighead_ci.definitions.loading import load_feature_set, load_model, load_release
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.merging import CHECK, required_approvals
from bighead_ci.delivery.stages.pipeline import dvc_yaml
from bighead_ci.documents.artifact import ArtifactManifest, ImageManifest
from bighead_ci.documents.base import Document, Moment, digest_of, digest_of_bytes
from bighead_ci.documents.definition import VersionedFeatureSet, VersionedModel
from bighead_ci.documents.forge import PullRequest
from bighead_ci.documents.live import CanaryAnalysis, Prediction, VariantTelemetry
from bighead_ci.documents.record import ColumnDrift, DriftResult, Metric, Timings, TrainingSetSummary
from bighead_ci.documents.release import Release
from bighead_ci.documents.workspace import Workspace
from bighead_ci.errors import BigheadError, RetryError
from bighead_ci.features.naming import use_schema
from bighead_ci.ports.clock import FixedClock
from bighead_ci.ports.offline_store import Sources
from bighead_ci.ports.online_store import OnlineStore
from bighead_ci.ports.telemetry import Bins
from bighead_ci.reporting.renderer import Renderer
from bighead_ci.transforms.artifact import artifact_digest
from bighead_ci.transforms.metrics import predictions_table
from fakes.forge import MemoryForge, MemoryRepository
from fakes.memory_tree import MemoryTree, dedented, model_files, repository
from fakes.online_store import FakeOnlineStore
from fakes.platform import MemoryPlatform
from fakes.record_samples import make_artifact, make_record
from fakes.record_store import MemoryRecordStore

POLICIES = Path(__file__).parents[2] / "policies"
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
ENGINE = digest_of("engine")
ROWS = 400


class MovedClock(FixedClock):
    """Stands still until a test moves it."""

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)


class ProtectedForge(MemoryForge):
    """Protects main as the workspace's forge does: the check must pass, and as many approve as the labels say."""

    def merge(self, number: int, head: str, author: str) -> PullRequest:
        """Merge if the rules for this very pull request hold."""
        self.required_approvals = required_approvals(self.get(number))
        return super().merge(number, head, author)


class FakeImages:
    """Images by digest; a test loses one by taking it out of `built`."""

    def __init__(self) -> None:
        self.built: dict[str, ImageManifest] = {}

    def plan(self, model_directory: Path, model: str, version: str) -> str:
        """A digest that follows the lock and the place."""
        return digest_of_bytes((model_directory / "requirements.lock").read_bytes() + f"{model}{version}".encode())

    def build(self, model_directory: Path, model: str, version: str) -> ImageManifest:
        """Remember the image."""
        digest = self.plan(model_directory, model, version)
        manifest = ImageManifest(
            digest=digest, model=model, version=version, engine=ENGINE, lock=digest_of("lock"), python="3.11"
        )
        self.built[digest] = manifest
        return manifest

    def find(self, digest: str) -> ImageManifest | None:
        """The image, unless it was lost."""
        return self.built.get(digest)


class FakeOrchestrator:
    """Leaves the stage outputs of a model whose `skill` a test sets, in the documented shapes."""

    def __init__(self, images: FakeImages) -> None:
        self.images = images
        self.skill: dict[str, float] = {}
        """Model directory → how far the scores of positive rows lie above the others'; default 1."""
        self.trained: list[str] = []
        self.error: BigheadError | None = None
        """Raised by the next runs."""

    def run(self, checkout: Path, model_directory: str, progress: Callable[[str], None]) -> Timings:
        """Write `out/` as the stages would."""
        if self.error is not None:
            raise self.error
        self.trained.append(model_directory)
        progress("train: runs")
        _, name, version = model_directory.split("/")
        model = load_model(DirectoryTree(checkout), name, version)
        self._write(checkout, model, checkout / model_directory / "out")
        return Timings(seconds={"train": 1.0}, reused=[])

    def import_sources(self, checkout: Path, progress: Callable[[str], None]) -> None:
        """Put an empty Parquet file where each source has its data."""
        progress("sources: in place")
        for file in (checkout / "features/sources").glob("*.yaml"):
            pq.write_table(pa.table({"id": pa.array([], pa.int64())}), file.with_suffix(".parquet"))

    def _write(self, checkout: Path, model: VersionedModel, out: Path) -> None:
        directory = f"models/{model.name}/{model.version}"
        skill = self.skill.get(directory, 1.0)
        tree = DirectoryTree(checkout)
        schemas = [use_schema(load_feature_set(tree, *use.set.split("/")), use) for use in model.definition.features]
        artifact = make_artifact(out / "artifact", f"{directory} {skill} {model.definition.parameters}")
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
        sample = make_record(artifact)
        auc = min(0.99, 0.5 + skill / 4)
        metrics = {"auc": Metric(value=auc, low=auc - 0.02, high=auc + 0.02)}
        sample.training_set.write(out / "training_set.json")
        sample.quality.write(out / "quality.json")
        sample.evaluation.model_copy(update={"metrics": metrics, "slices": []}).write(out / "evaluation.json")
        (out / "profile.json").write_text(json.dumps({"columns": [c.model_dump() for c in sample.profile]}))
        _write_tables(out, skill)
        package = {
            "artifact": artifact_digest(artifact),
            "artifact_bytes": 1000,
            "image": self.images.plan(checkout / directory, model.name, model.version),
            "training_set": digest_of("training set"),
        }
        (out / "package.json").write_text(json.dumps(package))


def _write_tables(out: Path, skill: float) -> None:
    """Predictions of the evaluation rows, and a training set."""
    events = np.arange(ROWS)
    truth = events % 2
    noise = np.random.default_rng(0).normal(0, 1, ROWS)
    positive = 1 / (1 + np.exp(-(skill * 2 * (truth - 0.5) + noise)))
    scores = np.column_stack([1 - positive, positive])
    pq.write_table(
        predictions_table(pa.chunked_array([events]), truth, scores, ["0", "1"]), out / "predictions.parquet"
    )
    part = np.where(events % 4 == 0, "evaluate", "train")
    table = {"__event_id": events, "__part": part, "__label": truth, "distance": events * 10}
    pq.write_table(pa.table(table), out / "training_set.parquet")


class FakeTelemetry:
    """Figures that a test sets; `marks` says when traffic began to change."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.requests = 0
        """Answered by the candidate since the mark."""
        self.candidate: dict[str, Any] = {}
        """Fields of the candidate's telemetry that differ from the stable one's."""
        self.score_shift = 0.0
        self.marks: dict[tuple[str, str], datetime] = {}

    def mark(self, environment: str, model: str) -> None:
        """Start a new span."""
        self.marks[environment, model] = self.clock.now()

    def measure(self, environment: str, model: str, variants: Sequence[str]) -> dict[str, VariantTelemetry]:
        """The same for all, but for what the test says of the last."""
        if (environment, model) not in self.marks:
            raise RetryError("no traffic was marked yet")
        usual = {name: self._of(name) for name in variants}
        return usual | {variants[-1]: self._of(variants[-1], **self.candidate)}

    def analyse(
        self, environment: str, model: str, variants: tuple[str, str], weight: int, expected: tuple[Bins, Bins]
    ) -> CanaryAnalysis:
        """Candidate against stable since the mark."""
        assert all(len(bins) == 20 for bins in expected)
        measured = self.measure(environment, model, variants)
        since, until = self.marks[environment, model], self.clock.now()
        return CanaryAnalysis(
            environment=environment,
            model=model,
            weight=weight,
            measured_share=float(weight),
            since=since,
            until=until,
            seconds=(until - since).total_seconds(),
            candidate=measured[variants[1]],
            stable=measured[variants[0]],
            score_shift=self.score_shift,
        )

    def _of(self, name: str, **changes: Any) -> VariantTelemetry:
        found = re.search(r"-(v\d+)-[0-9a-f]{8}$", name)
        assert found, name
        fields = {
            "variant": name,
            "version": found[1],
            "requests": self.requests,
            "errors": 0,
            "error_ratio": 0.0,
            "p50_ms": 1.0,
            "p95_ms": 2.0,
            "p99_ms": 3.0,
            "score_mean": 0.5,
            "score_histogram": [1] * 20,
            "null_ratio": {"distance": 0.0},
        }
        return VariantTelemetry.model_validate(fields | changes)


class FakeDrift:
    """Finds one column that moved."""

    def compare(
        self, reference: pd.DataFrame, current: pd.DataFrame, names: tuple[str, str], html: Path | None = None
    ) -> DriftResult:
        """Say what was compared, and leave a page."""
        if html is not None:
            html.write_text("<p>drift</p>")
        column = ColumnDrift(column="distance", method="psi", score=0.2, threshold=0.1, drifted=True)
        return DriftResult(
            reference=names[0],
            current=names[1],
            reference_rows=len(reference),
            current_rows=len(current),
            columns=[column],
        )


class PlainPages(Renderer):
    """The real Markdown; pages with plots take seconds and have their own tests."""

    def html(self, report: Document, page: Path) -> None:
        """A page without plots."""
        page.write_text(f"<pre>{report.model_dump_json()}</pre>")


class FakeOfflineStore:
    """Remembers which sets it was asked to materialise; the online store takes one writer."""

    def __init__(self) -> None:
        self.materialized: list[str] = []
        self._writer = threading.Lock()

    def training_set(
        self, model: VersionedModel, sets: Sequence[VersionedFeatureSet], sources: Sources, destination: Path
    ) -> TrainingSetSummary:
        """Not what a verb may ask for."""
        raise AssertionError((model, sets, sources, destination))

    def features_at(
        self,
        feature_set: VersionedFeatureSet,
        sources: Sources,
        keys: Mapping[str, Sequence[Any]],
        timestamps: Sequence[int],
        known_before: int | None = None,
    ) -> dict[str, list[Any]]:
        """Not what a verb may ask for."""
        raise AssertionError((feature_set, sources, keys, timestamps, known_before))

    def materialize(
        self, sets: Sequence[VersionedFeatureSet], sources: Sources, until: Moment, online: OnlineStore
    ) -> int:
        """Write one row a set."""
        assert all(path.exists() for _, path in sources.values())
        assert until.tzinfo is not None
        if not self._writer.acquire(blocking=False):
            raise RetryError("the online store is locked by another writer")
        time.sleep(0.01)  # long enough for a second writer to be caught
        self.materialized += [one.id for one in sets]
        self._writer.release()
        return sum(online.put_many(one.id, [(b"key", b"state")]) for one in sets)


class FakePredictionLog:
    """Predictions by id."""

    def __init__(self) -> None:
        self.known: dict[str, Prediction] = {}

    def find(self, prediction_id: str) -> Prediction | None:
        """One prediction."""
        return self.known.get(prediction_id)

    def inputs(self, environment: str, model: str, artifact: str, limit: int) -> pd.DataFrame:
        """Inputs of an artifact's latest predictions."""
        place = (environment, model, artifact)
        rows = [p.inputs for p in self.known.values() if (p.environment, p.model, p.artifact) == place]
        return pd.DataFrame(rows[-limit:])


class FakeContext:
    """`delivery.Context` of doubles, over a small repository with the project's own gates.

    Main has the model `late/v1`, the environments `staging` (all traffic at once) and `prod` (10, 50, 100 %).
    """

    def __init__(self, directory: Path) -> None:
        self.workspace = Workspace(forge=directory / "forge.git", state=directory / "state")
        self.clock = MovedClock(START)
        self.data_clock = FixedClock(datetime(2013, 10, 1, 21, tzinfo=UTC))
        self.engine = ENGINE
        self.repository = MemoryRepository(self.clock)
        self.forge = ProtectedForge(self.repository, self.clock, (CHECK,))
        self.records = MemoryRecordStore(directory / "records")
        self.images = FakeImages()
        self.orchestrator = FakeOrchestrator(self.images)
        self.drift = FakeDrift()
        self.renderer = PlainPages(pictures=False)
        self.platform = MemoryPlatform()
        self.telemetry = FakeTelemetry(self.clock)
        self.offline_store = FakeOfflineStore()
        self.online_store = FakeOnlineStore()
        self.predictions = FakePredictionLog()
        gates = {f"policies/{file.name}": file.read_text() for file in sorted(POLICIES.glob("*.yaml"))}
        first = repository(**{"policies/whole.yaml": None}, **model_version("v1"), **gates)
        self.change_main(first, "the first commit")

    def open_online_store(self, *, readonly: bool) -> OnlineStore:
        """The one store; nothing is locked."""
        assert isinstance(readonly, bool)
        return self.online_store

    @property
    def main(self) -> str:
        """Where main is."""
        return self.repository.resolve("main")

    def change_main(self, changes: Mapping[str, str | None], subject: str) -> str:
        """Commit straight to main, a minute after what was before."""
        self.clock.forward(60)
        return self.repository.commit("main", self.main, encoded(changes), subject, "ada")

    def propose(self, branch: str, changes: Mapping[str, str | None], author: str = "ada") -> PullRequest:
        """Push a branch that changes main, and open (or update) its pull request."""
        parent = self.repository.branches.get(branch, self.main)
        self.repository.commit(branch, parent, encoded(changes), branch, author)
        return self.forge.open(branch, "main", f"Change of {branch}", "", author)

    def approve_and_merge(self, number: int) -> PullRequest:
        """What a person does with a pull request whose checks have passed; a minute passes."""
        pull = self.forge.get(number)
        self.clock.forward(60)
        self.forge.set_status(number, CHECK, "success", "passed", pull.head)
        self.forge.review(number, "grace", approved=True)
        return self.forge.merge(number, pull.head, "grace")

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
        models = self.platform.observe(environment)
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
