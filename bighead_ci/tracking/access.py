"""Who may touch the database when: readers at any time, writers one at a time, and errors in the engine's kinds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bighead_ci.tracking.failures import reported
from bighead_ci.tracking.run_lookup import RunLookup
from bighead_ci.tracking.store_lock import exclusive


class StoreAccess:
    """Of one directory with `mlflow.db`.

    Args:
        directory: Of the database.
        lock_seconds: How long a writer waits for another one.
    """

    def __init__(self, directory: Path, lock_seconds: float) -> None:
        self.database = directory / "mlflow.db"
        self._lock_seconds = lock_seconds

    def reading(self) -> AbstractContextManager[None]:
        """Run a block whose failures name the store."""
        return reported(self.database)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The same, as the only writer."""
        with self.reading(), exclusive(self.database.parent / "writer.lock", self._lock_seconds):
            yield

    @contextmanager
    def writing(self, lookup: RunLookup) -> Iterator[None]:
        """The same, where the database can be written."""
        with self.locked():
            if self.database.exists():
                lookup.check_writable()
            yield
