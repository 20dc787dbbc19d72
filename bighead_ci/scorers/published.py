"""Model artifacts in an object store: `artifacts/<digest>/<file>`, verified as a whole by whoever fetches one."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp

from bighead_ci.errors import InputError, RetryError
from bighead_ci.ports.object_store import ObjectStore
from bighead_ci.scorers.artifact import artifact_digest

FOLDER = "artifacts"


def publish_artifact(store: ObjectStore, directory: Path) -> str:
    """Put an artifact where machines of an environment fetch it; return its digest.

    Files that are there are written again: their folder says what they must hold, so nobody can notice but who found
    them damaged. Whatever of it is killed, the same call again completes it.

    Raises:
        InputError: the directory is no artifact; or as the store.
        RetryError: as the store.
    """
    digest = artifact_digest(directory)
    folder = _folder(digest)
    wanted = {f"{folder}/{file.name}": file for file in sorted(directory.iterdir())}
    for name, file in wanted.items():
        store.put(name, file)
    for stray in set(store.names(folder)) - wanted.keys():
        store.delete(stray)
    return digest


def fetch_artifact(store: ObjectStore, digest: str, into: Path) -> Path:
    """An artifact as a directory, verified; one that was fetched before is taken again.

    Args:
        store: Where it was published.
        digest: Of the artifact.
        into: Directory for artifacts, each in one of its own.

    Raises:
        InputError: it was never published, or is damaged there; or as the store.
        RetryError: as the store.
    """
    directory = into / digest.replace(":", "-")
    if directory.is_dir() and artifact_digest(directory) == digest:
        return directory
    names = store.names(_folder(digest))
    if not names:
        raise InputError(f"the object store has no artifact {digest}: promote the version again, which publishes it")
    into.mkdir(parents=True, exist_ok=True)
    beside = Path(mkdtemp(prefix=".artifact-", dir=into))
    try:
        for name in names:
            store.get(name, beside / name.rpartition("/")[2])
        if artifact_digest(beside) != digest:
            raise InputError(
                f"artifact {digest} is damaged or not whole in the object store: promote the version again, "
                "which publishes it"
            )
        shutil.rmtree(directory, ignore_errors=True)
        beside.rename(directory)
    except KeyError as error:
        raise RetryError(f"artifact {digest} is being removed from the object store") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return directory


def _folder(digest: str) -> str:
    return f"{FOLDER}/{digest.replace(':', '-')}"
