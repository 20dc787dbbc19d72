"""The process of a variant in a container, once its artifact is there; `entry_points.container` becomes it."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path

from bighead_ci.documents.artifact import MANIFEST, ArtifactManifest
from bighead_ci.documents.live import ContainerConfig, VariantConfig
from bighead_ci.entry_points.code_serving import open_code
from bighead_ci.entry_points.container import leave_message
from bighead_ci.entry_points.serving import open_log, open_store
from bighead_ci.errors import InputError
from bighead_ci.ports.object_store import ObjectStore
from bighead_ci.ports.online_store import OnlineStore
from bighead_ci.serving.process import REFUSAL_FILE, Openers, serve
from bighead_ci.stores.objects_remote import BRISK, RemoteObjectStore
from bighead_ci.stores.online_redis import PASSWORD, RedisOnlineStore


def variant_config(config: ContainerConfig, artifact: Path, directory: Path) -> VariantConfig:
    """What the serving process is told, of what its container was."""
    shared = VariantConfig.model_fields.keys() & ContainerConfig.model_fields.keys()
    return VariantConfig.model_validate(
        config.model_dump(include=set(shared))
        | {
            "artifact_path": artifact,
            "online_store": config.online_store_path or directory,
            "predictions": config.predictions_path if config.log_predictions else None,
            "directory": directory,
        }
    )


def openers_of(config: ContainerConfig, *, code_answers: bool) -> Openers:
    """What the process opens: on mounted directories, or over the network."""

    def online_store(variant: VariantConfig) -> OnlineStore:
        if config.online_store_url is not None:
            return RedisOnlineStore(config.online_store_url, os.environ.get(PASSWORD), readonly=True)
        if config.online_store_path is None:
            raise InputError(f"{config.model}/{config.version} takes features, and its container has no online store")
        return open_store(variant)

    def prediction_log(variant: VariantConfig) -> ObjectStore | None:
        if config.log_predictions and config.predictions_path is None and config.store is not None:
            return RemoteObjectStore(config.store, BRISK)
        return open_log(variant)

    if code_answers:
        return Openers(online_store, prediction_log, partial(open_code, version=config.code))
    return Openers(online_store, prediction_log)


def is_code(artifact: Path) -> bool:
    """Whether the version's own code answers; what is no artifact is for its loader to refuse."""
    with suppress(OSError, ValueError):
        return ArtifactManifest.read(artifact / MANIFEST).kind == "python"
    return False


def main() -> None:
    """Serve until told to stop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    config, artifact = ContainerConfig.read(Path(sys.argv[1])), Path(sys.argv[2])
    directory = Path(tempfile.gettempdir()) / "bighead"
    directory.mkdir(exist_ok=True)
    openers = openers_of(config, code_answers=is_code(artifact))
    code = serve(variant_config(config, artifact, directory), openers)
    if code:
        with suppress(OSError):
            leave_message((directory / REFUSAL_FILE).read_text(encoding="utf-8"))
    sys.exit(code)


if __name__ == "__main__":
    main()
