"""Where a workspace keeps what is not in git."""

from __future__ import annotations

from pathlib import Path

from bighead_ci.documents.base import Document

WORKSPACE_FILE = "workspace.json"


class Workspace(Document):
    """`workspace.json` in a state directory: the forge it belongs to, and the clock it lives by."""

    forge: Path
    """The bare repository that is both git server and forge."""
    state: Path
    """Directory of records, caches, images, online store, logs and processes."""
    clock_offset_seconds: float = 0.0
    """Added to the machine's clock: a workspace can live inside its data."""

    @property
    def records(self) -> Path:
        """MLflow's database and artifacts."""
        return self.state / "records"

    @property
    def dvc_cache(self) -> Path:
        """Content-addressed stage outputs, shared by all checkouts."""
        return self.state / "dvc-cache"

    @property
    def images(self) -> Path:
        """Locally built images."""
        return self.state / "images"

    @property
    def container_layers(self) -> Path:
        """Archives that images of containers are built from."""
        return self.state / "container-layers"

    @property
    def python_environments(self) -> Path:
        """Python environments made from locks."""
        return self.state / "python-environments"

    @property
    def online_store(self) -> Path:
        """Embedded feature store for serving."""
        return self.state / "online-store"

    @property
    def platform(self) -> Path:
        """Processes and routers of the local platform."""
        return self.state / "platform"

    @property
    def predictions(self) -> Path:
        """The prediction log."""
        return self.state / "predictions"

    @property
    def checkouts(self) -> Path:
        """Work trees that CI runs in; each can be deleted at any time."""
        return self.state / "checkouts"

    @property
    def reports(self) -> Path:
        """HTML reports by pull request."""
        return self.state / "reports"

    @property
    def runner(self) -> Path:
        """What the runner has done, its lock and its logs."""
        return self.state / "runner"

    @property
    def jobs(self) -> Path:
        """Pid files of the commands that the runner started."""
        return self.runner / "jobs"
