"""The one composition root: knows every edge, and imports each only when it is first asked for."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bighead_ci.documents.workspace import Workspace
from bighead_ci.errors import InputError
from bighead_ci.ports.clock import Clock, ShiftedClock, SystemClock

if TYPE_CHECKING:
    from bighead_ci.delivery.context import Progress
    from bighead_ci.documents.artifact import ArtifactInput, ImageManifest
    from bighead_ci.documents.base import Document
    from bighead_ci.documents.live import VariantConfig
    from bighead_ci.forge.git import GitRepository
    from bighead_ci.platforms.local import LocalPlatform
    from bighead_ci.ports.forge import Forge
    from bighead_ci.ports.images import ImageBuilder
    from bighead_ci.ports.offline_store import OfflineStore
    from bighead_ci.ports.online_store import OnlineStore
    from bighead_ci.ports.orchestrator import Orchestrator
    from bighead_ci.ports.prediction_log import PredictionLog
    from bighead_ci.ports.quality import DriftDetector, ExpectationRunner
    from bighead_ci.ports.report_renderer import ReportRenderer
    from bighead_ci.ports.repository import Repository
    from bighead_ci.ports.telemetry import Telemetry
    from bighead_ci.ports.tracking import RecordStore

STATE_VARIABLE = "BIGHEAD_STATE"
"""Environment variable that names the state directory; a clone's git config `bighead.state` does so too."""
USER_VARIABLE = "BIGHEAD_USER"

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "False",
    "DO_NOT_TRACK": "1",
    "BENTOML_DO_NOT_TRACK": "True",
}
"""No library reports home. Set before any of them is imported, and inherited by every process that is started."""
os.environ.update(QUIET)


class LocalContext:
    """`delivery.Context` of a workspace on this machine."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    @cached_property
    def clock(self) -> Clock:
        """The machine's time."""
        return SystemClock()

    @cached_property
    def data_clock(self) -> Clock:
        """The moment the workspace's data lives at."""
        return ShiftedClock(timedelta(seconds=self.workspace.clock_offset_seconds))

    @cached_property
    def engine(self) -> str:
        """Digest of the engine files that determine results."""
        from bighead_ci.images.engine import engine_digest

        return engine_digest()

    @cached_property
    def repository(self) -> GitRepository:
        """The bare repository."""
        from bighead_ci.forge.git import GitRepository

        return GitRepository(self.workspace.forge, self.clock)

    @cached_property
    def forge(self) -> Forge:
        """Pull requests in the bare repository."""
        from bighead_ci.delivery.merging import CHECK, required_approvals
        from bighead_ci.forge.local import LocalForge

        return LocalForge(self.repository, self.clock, (CHECK,), required_approvals)

    @cached_property
    def records(self) -> RecordStore:
        """MLflow."""
        from bighead_ci.tracking.mlflow_store import MlflowRecordStore

        return MlflowRecordStore(self.workspace.records)

    @cached_property
    def images(self) -> ImageBuilder:
        """Images as directories."""
        from bighead_ci.images.process import ProcessImageBuilder

        return ProcessImageBuilder(self.workspace.images)

    @cached_property
    def orchestrator(self) -> Orchestrator:
        """DVC."""
        from bighead_ci.orchestrators.dvc import DvcOrchestrator

        return DvcOrchestrator(self.workspace.dvc_cache, self.engine)

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

    @cached_property
    def platform(self) -> LocalPlatform:
        """Processes behind Envoy."""
        from bighead_ci.platforms.local import LocalPlatform

        return LocalPlatform(
            self.workspace.platform,
            images=self.workspace.images,
            find_image=self._find_image,
            artifact=self._artifact,
            online_store=self.workspace.online_store,
            predictions=self.workspace.predictions,
            clock_offset_seconds=self.workspace.clock_offset_seconds,
        )

    # Looked up when asked for: observing a platform needs neither images nor records.
    def _find_image(self, digest: str) -> ImageManifest | None:
        return self.images.find(digest)

    def _artifact(self, digest: str) -> Path:
        return self.records.artifact(digest)

    @cached_property
    def telemetry(self) -> Telemetry:
        """Counters of the router and the processes."""
        from bighead_ci.platforms.telemetry import LocalTelemetry

        return LocalTelemetry(self.platform, self.clock)

    @cached_property
    def offline_store(self) -> OfflineStore:
        """DuckDB and the kernel."""
        from bighead_ci.stores.offline import DuckDBOfflineStore

        return DuckDBOfflineStore()

    def open_online_store(self, *, readonly: bool) -> OnlineStore:
        """LMDB; one writer at a time, so close it soon."""
        from bighead_ci.stores.online_lmdb import LmdbOnlineStore

        return LmdbOnlineStore(self.workspace.online_store, readonly=readonly)

    @cached_property
    def predictions(self) -> PredictionLog:
        """The Parquet files that serving processes write."""
        from bighead_ci.stores.prediction_log import ParquetPredictionLog

        return ParquetPredictionLog(self.workspace.predictions)


# -- finding the workspace ------------------------------------------------------------------------------------------


def find_workspace() -> Workspace:
    """The workspace of this process: named by the environment, else by the clone that we stand in.

    Raises:
        InputError: there is none.
    """
    named = os.environ.get(STATE_VARIABLE) or _git_config("bighead.state")
    if not named:
        raise InputError(
            f"no workspace: stand in a clone that `bighead workspace init` made, or set {STATE_VARIABLE} to its state "
            "directory"
        )
    file = Path(named) / "workspace.json"
    if not file.exists():
        raise InputError(f"{named} is not a workspace's state directory: it has no workspace.json")
    return Workspace.read(file)


def _git_config(key: str) -> str:
    done = subprocess.run(["git", "config", "--get", key], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def context() -> LocalContext:
    """The context of the workspace that this process stands in."""
    return LocalContext(find_workspace())


def context_of(workspace: Workspace) -> LocalContext:
    """The context of a workspace."""
    return LocalContext(workspace)


def forge() -> Forge:
    """Pull requests of the workspace."""
    return context().forge


def repository() -> Repository:
    """The shared repository of the workspace."""
    return context().repository


def identity() -> str:
    """Who is at the keyboard: BIGHEAD_USER, else git's user.name, else the login."""
    return os.environ.get(USER_VARIABLE) or _git_config("user.name") or os.environ.get("USER") or "somebody"


def environment_of(workspace: Workspace) -> dict[str, str]:
    """Environment variables of a process that works on a workspace."""
    return {**os.environ, **QUIET, STATE_VARIABLE: str(workspace.state)}


# -- making and ending workspaces -----------------------------------------------------------------------------------


def create_workspace(directory: Path, seed: Path, moment: datetime | None) -> Workspace:
    """Bare repository, clone and state; the seed's files are the first commit.

    Raises:
        InputError: the directory has a workspace already, or cannot be written.
    """
    from bighead_ci.forge.setup import create_repositories

    directory = directory.resolve()
    state = directory / "state"
    if (state / "workspace.json").exists():
        raise InputError(f"{directory} has a workspace already; choose another directory")
    offset = (moment - SystemClock().now()).total_seconds() if moment else 0.0
    workspace = Workspace(forge=directory / "forge.git", state=state, clock_offset_seconds=offset)
    try:
        state.mkdir(parents=True, exist_ok=True)
        create_repositories(workspace.forge, directory / "clone", seed, {"bighead.state": str(state)})
        workspace.write(state / "workspace.json")
    except OSError as error:
        raise InputError(f"{directory} cannot hold a workspace: {error.strerror}: {error.filename}") from error
    return workspace


def runner_pid(workspace: Workspace) -> int | None:
    """The process id of the runner that watches a workspace, if one does.

    A runner that was killed leaves its file; the process that has the number by now is somebody else's.
    """
    import psutil

    file = workspace.runner / "pid"
    try:
        pid = int(file.read_text())
        return pid if "runner" in psutil.Process(pid).cmdline() else None
    except (OSError, ValueError, psutil.Error):
        return None


def stop_runner(workspace: Workspace) -> bool:
    """End the runner and what it started; False when none ran."""
    pid = runner_pid(workspace)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 20
    while runner_pid(workspace) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    if runner_pid(workspace) is not None:
        os.kill(pid, signal.SIGKILL)
    return True


def end_leftovers(workspace: Workspace) -> None:
    """End commands that work on the workspace though nobody waits for them: checks of a runner that was killed."""
    import psutil

    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    left = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        words, variables = process.info["cmdline"] or [], process.info["environ"] or {}
        ours = {"bighead_ci", "dvc", "stage"} & set(words)
        if ours and variables.get(STATE_VARIABLE) == str(workspace.state) and process.pid not in own:
            left.append(process)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(left, timeout=10)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def stop_workspace(directory: Path) -> bool:
    """Stop everything that runs in a workspace directory; False when there is no workspace."""
    file = directory / "state" / "workspace.json"
    if not file.exists():
        return False
    end_workspace(Workspace.read(file))
    return True


def end_workspace(workspace: Workspace) -> list[str]:
    """Stop everything that runs in a workspace; the names of its environments."""
    stop_runner(workspace)
    platform = context_of(workspace).platform
    environments = sorted(p.name for p in workspace.platform.glob("*") if p.is_dir())
    for environment in environments:
        platform.stop(environment)
    end_leftovers(workspace)
    return environments


def discard_workspace(directory: Path) -> None:
    """Stop and delete an earlier run's workspace.

    Raises:
        InputError: the directory holds something that is not a workspace.
    """
    if not directory.exists():
        return
    ours = {"forge.git", "clone", "state", "seed"}
    strangers = sorted(p.name for p in directory.iterdir() if p.name not in ours)
    if strangers:
        raise InputError(
            f"{directory} holds {', '.join(strangers[:5])}, which no workspace has; choose another directory"
        )
    stop_workspace(directory)
    shutil.rmtree(directory)


# -- stages and serving ---------------------------------------------------------------------------------------------


def orchestrator_here(checkout: Path) -> Orchestrator:
    """DVC with the workspace's cache; without a workspace, with one in the checkout."""
    from bighead_ci.images.engine import engine_digest
    from bighead_ci.orchestrators.dvc import DvcOrchestrator

    try:
        cache = find_workspace().dvc_cache
    except InputError:
        cache = checkout / ".bighead" / "dvc-cache"
    return DvcOrchestrator(cache, engine_digest())


def expectation_runner() -> ExpectationRunner:
    """Great Expectations."""
    from bighead_ci.quality.expectations import GreatExpectationRunner

    return GreatExpectationRunner()


def offline_store() -> OfflineStore:
    """DuckDB and the kernel."""
    from bighead_ci.stores.offline import DuckDBOfflineStore

    return DuckDBOfflineStore()


def run_stage(name: str, checkout: Path, directory: str, progress: Progress) -> Document:
    """Run one stage of a model version on the files of a checkout; what it leaves as a document.

    Raises:
        InputError: the directory is no model version, or the stage finds something wrong.
    """
    from bighead_ci.delivery.stages.place import StagePlace

    place = StagePlace(checkout, directory)
    if name == "training-set":
        from bighead_ci.delivery.stages.training_set import make_training_set

        return make_training_set(place, offline_store(), progress)
    if name == "quality":
        from bighead_ci.delivery.stages.quality import check_quality

        return check_quality(place, expectation_runner(), progress)
    if name == "train":
        from bighead_ci.delivery.stages.train import train

        return train(place, _sklearn_to_onnx, progress)
    if name == "evaluate":
        from bighead_ci.delivery.stages.evaluate import evaluate

        return evaluate(place, progress)
    from bighead_ci.delivery.stages.package import package

    return package(place, image_builder(checkout, progress), progress)


def _sklearn_to_onnx(estimator: Any, inputs: Sequence[ArtifactInput]) -> bytes:
    from bighead_ci.transforms.sklearn_estimator import to_onnx

    return to_onnx(estimator, inputs)


def image_builder(root: Path, progress: Progress) -> ImageBuilder:
    """Images as directories under a root."""
    from bighead_ci.images.process import ProcessImageBuilder

    return ProcessImageBuilder(root, progress)


def serve_variant(config: VariantConfig) -> int:
    """Run one variant's process until it is told to stop; its exit code."""
    from bighead_ci.serving.process import serve
    from bighead_ci.stores.online_lmdb import LmdbOnlineStore

    return serve(config, lambda path: LmdbOnlineStore(path, readonly=True))
