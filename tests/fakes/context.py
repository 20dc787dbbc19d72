"""A delivery context in memory: verbs run whole on it, without git, MLflow, DVC, Envoy or processes."""

from __future__ import annotations

import copy
import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from bighead_ci.definitions.loading import load_release
from bighead_ci.delivery.approvals import review
from bighead_ci.delivery.checks import CI, REQUIRED
from bighead_ci.delivery.main import Main, Mainline
from bighead_ci.delivery.merge import merge_pull_request
from bighead_ci.documents.base import Moment
from bighead_ci.documents.definition import VersionedFeatureSet
from bighead_ci.documents.environment import EnvironmentDefinition
from bighead_ci.documents.forge import BOT, PullRequest, PullRequestSummary
from bighead_ci.documents.release import Release
from bighead_ci.errors import RetryError
from bighead_ci.planning.dvc_pipeline import dvc_yaml
from bighead_ci.ports.engine import Engine
from bighead_ci.ports.offline_store import Sources
from bighead_ci.ports.online_store import OnlineStore
from bighead_ci.ports.repository import MAIN
from fakes.clock import FixedClock
from fakes.drift import MemoryDriftDetector
from fakes.engine import MemoryEngine
from fakes.experiment_store import MemoryExperimentStore
from fakes.forge import MemoryForge, MemoryRepository
from fakes.images import MemoryImages
from fakes.memory_tree import MemoryTree, dedented, model_files, repository
from fakes.object_store import MemoryObjectStore
from fakes.offline_store import MemoryOfflineStore
from fakes.online_store import FakeOnlineStore
from fakes.orchestrator import MemoryOrchestrator
from fakes.platform import MemoryPlatform
from fakes.prediction_log import MemoryPredictionLog
from fakes.record_store import MemoryRecordStore
from fakes.renderer import PlainPages
from fakes.telemetry import MemoryTelemetry

POLICIES = Path(__file__).parents[2] / "policies"
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


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
        self.experiments = MemoryExperimentStore(directory / "experiments")
        self.images = MemoryImages(self.engine)
        self.container_images = MemoryImages(self.engine, "engine")
        self.objects = MemoryObjectStore()
        self.orchestrator = MemoryOrchestrator(directory / "checkouts", self.repository.tree, self.engine)
        self.drift = MemoryDriftDetector()
        self.renderer = PlainPages()
        self.platforms = {name: MemoryPlatform(name, self.clock) for name in ("staging", "prod")}
        self.telemetries = {name: MemoryTelemetry(self.clock) for name in ("staging", "prod")}
        self.offline_store = RecordingOfflineStore()
        self.online_store = FakeOnlineStore()
        self.shared_store = FakeOnlineStore()
        self.opened_stores: list[str] = []
        """Environments whose own store was asked for."""
        self.predictions = MemoryPredictionLog()
        gates = {f"policies/{file.name}": file.read_text() for file in sorted(POLICIES.glob("*.yaml"))}
        first = repository(**{"policies/whole.yaml": None}, **model_version("v1"), **gates)
        self.change_main(first, "the first commit")

    def upgrade_engine(self, engine: Engine) -> None:
        """From now on another one is installed."""
        self.engine = self.images.engine = self.container_images.engine = self.orchestrator.engine = engine

    def acting(self, identity: str) -> Self:
        """The same context for somebody else."""
        other = copy.copy(self)
        other.identity = identity
        other.forge = self.forge.acting(identity)
        return other

    def images_of(self, environment: str, definition: EnvironmentDefinition) -> MemoryImages:
        """Containers have others than processes."""
        assert environment in self.platforms
        return self.container_images if definition.platform == "docker" else self.images

    def objects_of(self, definition: EnvironmentDefinition) -> MemoryObjectStore | None:
        """As if containers were on other machines."""
        return self.objects if definition.platform == "docker" else None

    def platform(self, environment: str, definition: EnvironmentDefinition) -> MemoryPlatform:
        """The one of the environment."""
        assert definition.platform in {"local", "docker", "kubernetes"}
        return self.platforms[environment]

    def abandoned(self, named: Collection[str]) -> dict[str, MemoryPlatform]:
        """Those in use that are not among the named."""
        return {name: one for name, one in self.platforms.items() if name not in named and one.in_use()}

    def telemetry(self, environment: str, definition: EnvironmentDefinition) -> MemoryTelemetry:
        """The one of the environment."""
        assert definition.platform in {"local", "docker", "kubernetes"}
        return self.telemetries[environment]

    def open_online_store(self, *, readonly: bool) -> OnlineStore:
        """The one store; nothing is locked."""
        assert isinstance(readonly, bool)
        return self.online_store

    def open_online_store_of(
        self, environment: str, definition: EnvironmentDefinition, *, readonly: bool
    ) -> OnlineStore:
        """One that containers have for themselves."""
        self.opened_stores.append(environment)
        return self.shared_store if definition.platform == "docker" else self.open_online_store(readonly=readonly)

    def main(self, branch: str = MAIN) -> Main:
        """Main as it is now."""
        return self.mainline.at(branch)

    @property
    def tip(self) -> str:
        """Where main is."""
        return self.repository.resolve(MAIN)

    def branches(self) -> dict[str, str]:
        """Every branch → its commit."""
        return self.repository.branches

    def change_main(self, changes: Mapping[str, str | None], subject: str) -> str:
        """Commit straight to main, a minute after what was before."""
        self.clock.forward(60)
        return self.repository.commit("main", self.tip, encoded(changes), subject, "ada")

    def propose(self, branch: str, changes: Mapping[str, str | None], author: str = "ada") -> PullRequest:
        """Push a branch that changes main, and open (or update) its pull request."""
        parent = self.branches().get(branch, self.tip)
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
