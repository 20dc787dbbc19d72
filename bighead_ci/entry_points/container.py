"""What the container of a variant runs: `python -m bighead_ci.entry_points.container CONFIG`; see `ContainerConfig`.

Fetches and verifies the artifact, then becomes the process that serves it, whose libraries must find their directories
named before they are imported. Writes nowhere but below TMPDIR, and into the prediction log. Why it refuses is on its
standard error, and in the message that Kubernetes shows of a container that ended.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

from pydantic import ValidationError

from bighead_ci.documents.live import ContainerConfig
from bighead_ci.errors import BigheadError, InputError
from bighead_ci.scorers.published import fetch_artifact
from bighead_ci.serving_environment import serving_environment
from bighead_ci.stores.objects_remote import RemoteObjectStore

SERVING = "bighead_ci.entry_points.container_serving"
"""Not imported: it is what this process becomes."""
TERMINATION_MESSAGE = Path("/dev/termination-log")
"""Kubernetes makes it, and shows what is in it."""
_SHOWN = 4000
"""Characters of it."""


def read_config(path: Path) -> ContainerConfig:
    """What the container was told.

    Raises:
        InputError: it is no configuration, or lacks what belongs together.
    """
    try:
        config = ContainerConfig.read(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)]
        raise InputError(f"{path}: {'; '.join(wrong)}") from error
    if config.store is None and config.artifact_path is None:
        raise InputError(f"{path}: artifact_path or store: one of them says where the artifact is")
    if config.store is None and config.log_predictions and config.predictions_path is None:
        raise InputError(f"{path}: predictions_path or store: one of them says where predictions are logged")
    return config


def artifact_of(config: ContainerConfig, scratch: Path) -> Path:
    """The directory of the artifact: where it is mounted, or where it was put now, verified.

    Raises:
        InputError, RetryError: as `fetch_artifact`.
    """
    if config.artifact_path is not None or config.store is None:
        return config.artifact_path or scratch
    return fetch_artifact(RemoteObjectStore(config.store), config.artifact, scratch / "artifacts")


def say_why(reason: str) -> None:
    """Leave last words where people look for them."""
    sys.stderr.write(f"refuses to serve: {reason}\n")
    leave_message(reason)


def leave_message(reason: str) -> None:
    """Where Kubernetes shows it; nothing on Docker."""
    try:
        with TERMINATION_MESSAGE.open("r+", encoding="utf-8") as file:
            file.write(reason[:_SHOWN])
    except OSError:
        return


def main() -> None:
    """Fetch the artifact and become the process that serves it."""
    # The first process of a container ignores what it has no handler for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    scratch = Path(tempfile.gettempdir())
    try:
        artifact = artifact_of(read_config(Path(sys.argv[1])), scratch)
    except BigheadError as error:
        say_why(str(error))
        sys.exit(error.exit_code)
    # A signal that comes while the process changes waits for its handler.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    surroundings = serving_environment(str(scratch), str(scratch / "bytecode"))
    command = [sys.executable, "-P", "-m", SERVING, sys.argv[1], str(artifact)]
    os.execve(sys.executable, command, {**os.environ, **surroundings})  # noqa: S606 - itself, with a list


if __name__ == "__main__":
    main()
