"""One reconciler at a time in an environment: a file lock between processes, shared by the threads of one."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bighead_ci.errors import RetryError


class EnvironmentLock:
    """Held while any thread of this object is inside `held`; another process or object gets RetryError at once.

    The system releases it when the process dies, so a kill leaves nothing to clean up.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._mutex = threading.Lock()
        self._holders = 0
        self._handle: IO[str] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock.

        Raises:
            RetryError: somebody else is changing the environment.
        """
        self._acquire()
        try:
            yield
        finally:
            self._release()

    def _acquire(self) -> None:
        with self._mutex:
            if self._holders == 0:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                handle = self._file.open("a+")
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    handle.close()
                    raise RetryError(
                        f"environment {self._file.parent.name!r} is being changed by another process; try again"
                    ) from error
                self._handle = handle
            self._holders += 1

    def _release(self) -> None:
        with self._mutex:
            self._holders -= 1
            if self._holders == 0 and self._handle is not None:
                self._handle.close()
                self._handle = None
