"""The context of a workspace on this machine."""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from bighead_ci.clocks import ShiftedClock, SystemClock
from bighead_ci.documents.forge import BOT
from bighead_ci.errors import BugError
from bighead_ci.ports.clock import Clock
from bighead_ci.ports.repository import MAIN
from bighead_ci.workspaces import lifecycle, variables
from bighead_ci.workspaces.finding import find_workspace
from bighead_ci.workspaces.layout import WORKSPACE_FILE, Workspace
from bighead_ci.workspaces.variables import silence_libraries

if TYPE_CHECKING:
    from bighead_ci.delivery.main import Main, Mainline
    from bighead_ci.documents.environment import (
        DockerEnvironment,
        EnvironmentDefinition,
        KubernetesEnvironment,
        LocalEnvironment,
    )
    from bighead_ci.documents.image import LocalImage
    from bighead_ci.git.repository import GitRepository
    from bighead_ci.images.containers import ContainerImageBuilder
    from bighead_ci.images.process import ProcessImageBuilder
    from bighead_ci.images.python_environments import PythonEnvironments
    from bighead_ci.orchestrators.dvc import DvcPipeline
    from bighead_ci.platforms.containers import ContainerImage
    from bighead_ci.platforms.kubernetes.platform import KubernetesPlatform
    from bighead_ci.platforms.local import LocalPlatform
    from bighead_ci.ports.engine import Engine
    from bighead_ci.ports.forge import Forge
    from bighead_ci.ports.images import ImageBuilder
    from bighead_ci.ports.object_store import ObjectStore
    from bighead_ci.ports.offline_store import OfflineStore
    from bighead_ci.ports.online_store import OnlineStore
    from bighead_ci.ports.orchestrator import Orchestrator
    from bighead_ci.ports.platform import Platform
    from bighead_ci.ports.prediction_log import PredictionLog
    from bighead_ci.ports.quality import DriftDetector
    from bighead_ci.ports.report_renderer import ReportRenderer
    from bighead_ci.ports.telemetry import Telemetry
    from bighead_ci.ports.tracking import ExperimentStore, RecordStore


WRITER_SECONDS = 300.0
"""How long one writer of the online store waits for another."""


class LocalContext:
    """`delivery.Context` of a workspace on this machine."""

    def __init__(self, workspace: Workspace, identity: str) -> None:
        self.workspace = workspace
        self.identity = identity
        self._platforms: dict[str, tuple[EnvironmentDefinition, LocalPlatform]] = {}
        self._clusters: dict[str, KubernetesPlatform] = {}
        self.reports = workspace.reports

    @property
    def records_in_a_clone(self) -> str:
        """Below the state that a clone's git config names."""
        return f"$(git config {variables.STATE_SETTING})/{self.workspace.records.relative_to(self.workspace.state)}"

    @cached_property
    def clock(self) -> Clock:
        """The machine's time."""
        return SystemClock()

    @cached_property
    def data_clock(self) -> Clock:
        """The moment the workspace's data lives at."""
        return ShiftedClock(timedelta(seconds=self.workspace.clock_offset_seconds))

    @cached_property
    def engine(self) -> Engine:
        """The running engine."""
        return installed_engine()

    @cached_property
    def repository(self) -> GitRepository:
        """The bare repository."""
        from bighead_ci.git.repository import GitRepository

        return GitRepository(self.workspace.forge, self.clock)

    def main(self, branch: str = MAIN) -> Main:
        """Main as it is now; snapshots of one context share what they read."""
        return self._mainline.at(branch)

    @cached_property
    def _mainline(self) -> Mainline:
        from bighead_ci.delivery.main import Mainline

        return Mainline(self.repository)

    @cached_property
    def forge(self) -> Forge:
        """Pull requests in the bare repository."""
        from bighead_ci.delivery.checks import REQUIRED
        from bighead_ci.forge.local import LocalForge

        return LocalForge(self.repository, self.clock, self.identity, REQUIRED)

    @cached_property
    def records(self) -> RecordStore:
        """MLflow."""
        from bighead_ci.tracking.mlflow_store import MlflowRecordStore

        return MlflowRecordStore(self.workspace.records)

    @cached_property
    def experiments(self) -> ExperimentStore:
        """MLflow, beside the records."""
        from bighead_ci.tracking.mlflow_experiments import MlflowExperimentStore

        return MlflowExperimentStore(self.workspace.records)

    @cached_property
    def images(self) -> ProcessImageBuilder:
        """Images as directories."""
        from bighead_ci.images.process import ProcessImageBuilder

        return ProcessImageBuilder(self.workspace.images, self.engine, python_environments(self.workspace))

    def images_of(self, environment: str, definition: EnvironmentDefinition) -> ImageBuilder:
        """Directories where processes run, images of a Docker engine where containers do."""
        from bighead_ci.documents.environment import DockerEnvironment, KubernetesEnvironment, LocalEnvironment

        if isinstance(definition, LocalEnvironment):
            return self.images
        if isinstance(definition, DockerEnvironment | KubernetesEnvironment):
            return self._container_images(environment, definition)
        raise _not_here(environment, definition)

    def _container_images(
        self, environment: str, definition: DockerEnvironment | KubernetesEnvironment
    ) -> ContainerImageBuilder:
        from bighead_ci.wiring.containers import container_images

        return container_images(self.workspace, self.engine, environment, definition)

    def objects_of(self, definition: EnvironmentDefinition) -> ObjectStore | None:
        """A bucket where there is a cluster; processes and containers of this machine see its directories."""
        from bighead_ci.wiring.shared_stores import objects_of

        return objects_of(definition)

    @cached_property
    def orchestrator(self) -> Orchestrator:
        """DVC."""
        from bighead_ci.orchestrators.local import LocalOrchestrator

        pipeline = pipeline_of(self.workspace)
        return LocalOrchestrator(pipeline, self.workspace.checkouts, self.repository.checkout)

    @cached_property
    def drift(self) -> DriftDetector:
        """Evidently."""
        from bighead_ci.quality.drift import EvidentlyDriftDetector

        return EvidentlyDriftDetector()

    @cached_property
    def renderer(self) -> ReportRenderer:
        """Markdown and HTML."""
        from bighead_ci.reporting.renderer import Renderer

        return Renderer()

    def platform(self, environment: str, definition: EnvironmentDefinition) -> Platform:
        """Processes or containers behind Envoy, or a cluster; the same for as long as the definition is the same."""
        from bighead_ci.documents.environment import KubernetesEnvironment

        if isinstance(definition, KubernetesEnvironment):
            return self._cluster_platform(environment, definition)
        return self._machine_platform(environment, definition)

    def _machine_platform(self, environment: str, definition: EnvironmentDefinition) -> LocalPlatform:
        from bighead_ci.documents.environment import DockerEnvironment, LocalEnvironment

        if not isinstance(definition, LocalEnvironment | DockerEnvironment):
            raise _not_here(environment, definition)
        known = self._platforms.get(environment)
        if known is None or known[0] != definition:
            known = self._platforms[environment] = (definition, self._local_platform(environment, definition))
        return known[1]

    def _cluster_platform(self, environment: str, definition: KubernetesEnvironment) -> KubernetesPlatform:
        from bighead_ci.wiring.clusters import cluster_platform

        known = self._clusters.get(environment)
        if known is None or known.definition != definition:
            known = cluster_platform(self.workspace, environment, definition, lambda: self.main().tree, self.clock)
            self._clusters[environment] = known
        return known

    def abandoned(self, named: Collection[str]) -> dict[str, Platform]:
        """Environments with a directory of their own, in which something was started and not stopped."""
        here = {entry.name for entry in self.workspace.platform.glob("*") if entry.is_dir()}
        found = {name: self._unnamed(name) for name in sorted(here - set(named))}
        return {name: platform for name, platform in found.items() if platform.in_use()}

    def stop_environment(self, environment: str) -> None:
        """Stop all that an environment runs here, whether or not main still names it; a cluster is not here."""
        from bighead_ci.wiring.clusters import known_cluster

        if known_cluster(self.workspace, environment) is None:
            self._local_platform(environment, None).stop()

    def _unnamed(self, environment: str) -> Platform:
        """What stops an environment, by what is known of it here."""
        from bighead_ci.wiring.clusters import known_cluster

        definition = known_cluster(self.workspace, environment)
        return (
            self._cluster_platform(environment, definition) if definition else self._local_platform(environment, None)
        )

    def _local_platform(
        self, environment: str, definition: LocalEnvironment | DockerEnvironment | None
    ) -> LocalPlatform:
        from bighead_ci.documents.environment import DockerEnvironment
        from bighead_ci.platforms.local import LocalPlatform
        from bighead_ci.wiring.containers import runtimes

        return LocalPlatform(
            environment,
            self.workspace.platform,
            router=definition.router if definition else None,
            runtime=runtimes(
                environment,
                runs_containers=isinstance(definition, DockerEnvironment),
                open_image=self._open_image,
                open_container_image=partial(self._open_container_image, environment, definition),
                bytecode=self.workspace.platform.resolve() / "bytecode",
            ),
            artifact=self._artifact,
            online_store=self.workspace.online_store,
            predictions=self.workspace.predictions,
            clock=self.clock,
            clock_offset_seconds=self.workspace.clock_offset_seconds,
        )

    # Looked up when asked for: observing a platform needs neither images nor records.
    def _open_image(self, reference: str) -> LocalImage | None:
        return self.images.open(reference)

    def _open_container_image(
        self, environment: str, definition: LocalEnvironment | DockerEnvironment | None, reference: str
    ) -> ContainerImage | None:
        from bighead_ci.documents.environment import DockerEnvironment
        from bighead_ci.platforms.containers import ContainerImage

        if not isinstance(definition, DockerEnvironment):
            return None
        builder = self._container_images(environment, definition)
        manifest = builder.find(reference)
        return ContainerImage(builder.name_in_engine(reference), manifest) if manifest else None

    def _artifact(self, digest: str) -> Path:
        return self.records.artifact(digest)

    def telemetry(self, environment: str, definition: EnvironmentDefinition) -> Telemetry:
        """Counters of the router and the processes, or of the pods of a cluster."""
        from bighead_ci.documents.environment import KubernetesEnvironment

        if isinstance(definition, KubernetesEnvironment):
            from bighead_ci.platforms.kubernetes.telemetry import KubernetesTelemetry

            return KubernetesTelemetry(self._cluster_platform(environment, definition))
        from bighead_ci.platforms.telemetry import LocalTelemetry

        return LocalTelemetry(self._machine_platform(environment, definition))

    @cached_property
    def offline_store(self) -> OfflineStore:
        """DuckDB and the kernel."""
        from bighead_ci.stores.limits import limits_of
        from bighead_ci.stores.offline import DuckDBOfflineStore

        return DuckDBOfflineStore(limits_of(os.environ))

    def open_online_store(self, *, readonly: bool) -> OnlineStore:
        """LMDB; one writer at a time, so close it soon."""
        from bighead_ci.stores.online_lmdb import LmdbOnlineStore

        return LmdbOnlineStore(self.workspace.online_store, readonly=readonly, patience_seconds=WRITER_SECONDS)

    def open_online_store_of(
        self, environment: str, definition: EnvironmentDefinition, *, readonly: bool
    ) -> OnlineStore:
        """Redis where there is a cluster."""
        from bighead_ci.documents.environment import KubernetesEnvironment
        from bighead_ci.wiring.shared_stores import redis_of

        if isinstance(definition, KubernetesEnvironment):
            return redis_of(environment, definition, readonly=readonly, patience_seconds=WRITER_SECONDS)
        return self.open_online_store(readonly=readonly)

    @cached_property
    def predictions(self) -> PredictionLog:
        """The Parquet files that serving processes write."""
        from bighead_ci.stores.prediction_log import ParquetPredictionLog

        return ParquetPredictionLog(self.workspace.predictions)


def _not_here(environment: str, definition: EnvironmentDefinition) -> BugError:
    return BugError(f"{environment}: nothing here runs environments on {definition.platform}")


def context(identity: str = BOT) -> LocalContext:
    """The context of the workspace that this process stands in, for whoever acts in it."""
    return context_of(find_workspace(), identity)


def context_of(workspace: Workspace, identity: str = BOT) -> LocalContext:
    """The context of a workspace."""
    silence_libraries()
    return LocalContext(workspace, identity)


@cache
def installed_engine() -> Engine:
    """The engine that runs."""
    from bighead_ci.engine.installed import InstalledEngine

    return InstalledEngine()


def pipeline_of(workspace: Workspace) -> DvcPipeline:
    """DVC with a workspace's cache. Its stages are told of the workspace: their checkout is in no clone of it."""
    from bighead_ci.orchestrators.dvc import DvcPipeline

    exists = (workspace.state / WORKSPACE_FILE).exists()
    return DvcPipeline(workspace.dvc_cache, {variables.STATE: str(workspace.state)} if exists else {})


def create_workspace(directory: Path, seed: Path, moment: datetime | None) -> Workspace:
    """A workspace, in whose clone DVC shares the data with the checks.

    Raises:
        InputError: the directory has a workspace already, or cannot be written.
    """
    from bighead_ci.orchestrators.dvc_settings import share_cache

    return lifecycle.create_workspace(
        directory, seed, moment, lambda workspace, clone: share_cache(clone, workspace.dvc_cache)
    )


def python_environments(workspace: Workspace) -> PythonEnvironments:
    """Environments made from locks, shared by the whole workspace."""
    from bighead_ci.images.python_environments import PythonEnvironments

    return PythonEnvironments(workspace.python_environments)
