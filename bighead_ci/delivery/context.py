"""What a verb may use: the time, the ports, and where pages go."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

from bighead_ci.delivery.main import Main
from bighead_ci.documents.environment import EnvironmentDefinition
from bighead_ci.ports.clock import Clock
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
from bighead_ci.ports.repository import MAIN, Repository
from bighead_ci.ports.telemetry import Telemetry
from bighead_ci.ports.tracking import ExperimentStore, RecordStore


class Context(Protocol):
    """Ports, made when first asked for: a verb that needs no MLflow does not load it."""

    @property
    def records_in_a_clone(self) -> str:
        """How a command that is typed in any clone writes the directory of the records."""

    @property
    def reports(self) -> Path:
        """Where pages of reports are kept."""

    @property
    def identity(self) -> str:
        """Who acts: author of the commits, comments and pull requests that a verb makes."""

    @property
    def clock(self) -> Clock:
        """When things are done: commits, records, analyses."""

    @property
    def data_clock(self) -> Clock:
        """The moment the workspace's data lives at: what features are looked up and materialised for."""

    @property
    def engine(self) -> Engine:
        """What the stages run."""

    @property
    def repository(self) -> Repository:
        """The shared git repository."""

    def main(self, branch: str = MAIN) -> Main:
        """The branch that says what runs, as one commit: a command asks once and looks at nothing newer."""

    @property
    def forge(self) -> Forge:
        """Pull requests."""

    @property
    def records(self) -> RecordStore:
        """Records of runs."""

    @property
    def experiments(self) -> ExperimentStore:
        """Runs with other parameters than their version says."""

    @property
    def images(self) -> ImageBuilder:
        """Images of model versions that run on this machine: what trains, and what records name."""

    def images_of(self, environment: str, definition: EnvironmentDefinition) -> ImageBuilder:
        """Images that serve in an environment.

        Raises:
            RetryError: the engine that holds them does not answer.
        """

    def objects_of(self, definition: EnvironmentDefinition) -> ObjectStore | None:
        """Where the machines of an environment fetch artifacts; None: they are given those of this one.

        Raises:
            InputError: the credentials that this process has are none.
        """

    @property
    def orchestrator(self) -> Orchestrator:
        """Runs stages."""

    @property
    def drift(self) -> DriftDetector:
        """Compares samples."""

    @property
    def renderer(self) -> ReportRenderer:
        """Renders reports."""

    def platform(self, environment: str, definition: EnvironmentDefinition) -> Platform:
        """Runs one environment, as its definition says."""

    def abandoned(self, named: Collection[str]) -> Mapping[str, Platform]:
        """Environments that something runs in and that are not among the named, with what can stop it."""

    def telemetry(self, environment: str, definition: EnvironmentDefinition) -> Telemetry:
        """Measures what variants did in one environment."""

    @property
    def offline_store(self) -> OfflineStore:
        """Features over whole histories."""

    def open_online_store(self, *, readonly: bool) -> OnlineStore:
        """Features for serving on this machine; the caller closes it, a writer soon."""

    def open_online_store_of(
        self, environment: str, definition: EnvironmentDefinition, *, readonly: bool
    ) -> OnlineStore:
        """Features for serving in an environment; the caller closes it, a writer soon.

        Raises:
            InputError: the environment has none, or refuses us.
            RetryError: it is out of reach, or, to a writer, locked by another.
        """

    @property
    def predictions(self) -> PredictionLog:
        """What was predicted."""
