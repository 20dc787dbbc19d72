"""The one composition root: knows every edge, and imports each only when it is first asked for."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bighead_ci.documents.workspace import Workspace
from bighead_ci.errors import InputError
from bighead_ci.ports.clock import Clock, ShiftedClock, SystemClock

if TYPE_CHECKING:
    from bighead_ci.delivery.context import Progress
    from bighead_ci.documents.image import LocalImage
    from bighead_ci.git.repository import GitRepository
    from bighead_ci.images.process import ProcessImageBuilder
    from bighead_ci.images.python_environments import PythonEnvironments
    from bighead_ci.orchestrators.dvc import DvcPipeline
    from bighead_ci.platforms.local import LocalPlatform
    from bighead_ci.ports.engine import Engine
    from bighead_ci.ports.forge import Forge
    from bighead_ci.ports.offline_store import OfflineStore
    from bighead_ci.ports.online_store import OnlineStore
    from bighead_ci.ports.orchestrator import Orchestrator
    from bighead_ci.ports.prediction_log import PredictionLog
    from bighead_ci.ports.quality import DriftDetector
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
    def engine(self) -> Engine:
        """The running engine."""
        return installed_engine()

    @cached_property
    def repository(self) -> GitRepository:
        """The bare repository."""
        from bighead_ci.git.repository import GitRepository

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
    def images(self) -> ProcessImageBuilder:
        """Images as directories."""
        from bighead_ci.images.process import ProcessImageBuilder

        return ProcessImageBuilder(self.workspace.images, self.engine, python_environments(self.workspace))

    @cached_property
    def orchestrator(self) -> Orchestrator:
        """DVC."""
        from bighead_ci.orchestrators.dvc import DvcPipeline
        from bighead_ci.orchestrators.local import LocalOrchestrator

        pipeline = DvcPipeline(self.workspace.dvc_cache)
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

    @cached_property
    def platform(self) -> LocalPlatform:
        """Processes behind Envoy."""
        from bighead_ci.platforms.local import LocalPlatform

        return LocalPlatform(
            self.workspace.platform,
            open_image=self._open_image,
            artifact=self._artifact,
            online_store=self.workspace.online_store,
            predictions=self.workspace.predictions,
            clock_offset_seconds=self.workspace.clock_offset_seconds,
        )

    # Looked up when asked for: observing a platform needs neither images nor records.
    def _open_image(self, reference: str) -> LocalImage | None:
        return self.images.open(reference)

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


# -- stages ---------------------------------------------------------------------------------------------------------


@cache
def installed_engine() -> Engine:
    """The engine that runs."""
    from bighead_ci.engine.installed import InstalledEngine

    return InstalledEngine()


def python_environments(workspace: Workspace) -> PythonEnvironments:
    """Environments made from locks, shared by the whole workspace."""
    from bighead_ci.images.python_environments import PythonEnvironments

    return PythonEnvironments(workspace.python_environments)


def pipeline_here(checkout: Path) -> DvcPipeline:
    """DVC with the workspace's cache; without a workspace, with one in the checkout."""
    from bighead_ci.orchestrators.dvc import DvcPipeline

    return DvcPipeline(_workspace_of(checkout).dvc_cache)


def _workspace_of(checkout: Path) -> Workspace:
    """The workspace; where there is none, a directory in the checkout stands for it."""
    try:
        return find_workspace()
    except InputError:
        return Workspace(forge=checkout, state=checkout / ".bighead")


def lock(
    checkout: Path, directory: str, asked: dict[str, list[str]], dropped: list[str], progress: Progress
) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Write the locks of a version; lock → (distribution → version before, after).

    Raises:
        InputError: the directory is no model version, or no lock has all that is asked for.
    """
    from bighead_ci.definitions.files import Files
    from bighead_ci.definitions.tree import DirectoryTree
    from bighead_ci.delivery.stages.place import StagePlace
    from bighead_ci.images.locks import write_locks
    from bighead_ci.planning.inputs import Inputs

    inputs = Inputs(Files(DirectoryTree(checkout)), installed_engine())
    return write_locks(StagePlace(checkout, directory), inputs, asked, dropped, progress)


def write_orders(checkout: Path, directory: str, progress: Progress) -> None:
    """Write down what each stage of a version is told, and put data of an earlier day in place.

    Raises:
        InputError: a definition has problems.
    """
    from bighead_ci.definitions.files import Files
    from bighead_ci.definitions.tree import DirectoryTree
    from bighead_ci.delivery.stages.orders import leave_orders
    from bighead_ci.delivery.stages.place import StagePlace
    from bighead_ci.orchestrators.data import put_in_place
    from bighead_ci.planning.inputs import Inputs

    place = StagePlace(checkout, directory)
    data = leave_orders(place, Inputs(Files(DirectoryTree(checkout)), installed_engine()), progress)
    put_in_place(checkout, _workspace_of(checkout).dvc_cache, data)


def run_stage(name: str, checkout: Path, directory: str, progress: Progress) -> None:
    """Run one stage of a model version on the files of a checkout, in the Python environment that it belongs to.

    Raises:
        InputError: the directory is no model version, or the stage finds something wrong.
        RetryError: the disk is full, or the package index does not answer.
    """
    from bighead_ci.delivery.stages.place import StagePlace
    from bighead_ci.images.python_environments import PythonEnvironments
    from bighead_ci.orchestrators.stage_process import run_in
    from bighead_ci.planning.stages import LOCK_OF, stage_called

    stage, place = stage_called(name), StagePlace(checkout, directory)
    interpreter = Path(sys.executable)
    if stage.environment != "engine":
        lock = LOCK_OF[stage.environment]
        environments = PythonEnvironments(_workspace_of(checkout).python_environments)
        interpreter = environments.ensure(f"{directory}/{lock}", place.read(lock), progress)
    if interpreter == Path(sys.executable):
        importlib.import_module(stage.module).run(place, progress)
    else:
        run_in(interpreter, stage, place)
