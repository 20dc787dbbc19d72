"""Saves one record in a process of its own: `saver.py DIRECTORY ARTIFACT KEY [POINT]`; at POINT it kills itself."""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bighead_ci.errors import RetryError
from bighead_ci.tracking.mlflow_store import MlflowRecordStore
from bighead_ci.tracking.mlflow_writer import MlflowWriter
from bighead_ci.tracking.record_files import RecordFiles
from fakes.record_samples import make_record


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(directory: str, artifact: str, key: str, point: str = "") -> None:
    owners: dict[str, Any] = {
        "put_artifact": RecordFiles,
        "put_text": RecordFiles,
        "describe": MlflowWriter,
        "register": MlflowWriter,
        "complete": MlflowWriter,
    }
    if point in owners:
        setattr(owners[point], point, die)
    store = MlflowRecordStore(Path(directory))
    record = make_record(Path(artifact), key)
    if point == "disk full":
        store.by_content_key(record.content_key)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        size = (Path(directory) / "mlflow.db").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        sys.stdout.write(store.save(record, {"artifact": Path(artifact)}).run_id)
    except RetryError as error:
        sys.stdout.write(f"RetryError: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
