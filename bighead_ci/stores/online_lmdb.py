"""The embedded online store: LMDB, one writing process, any number of reading ones."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import lmdb
from filelock import FileLock, Timeout

from bighead_ci.errors import InputError, RetryError
from bighead_ci.stores.online_keys import checked_rows, is_key

_MAX_TABLES = 2048
_FIRST_MAP = 64 << 20
_DAMAGED = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError, lmdb.VersionMismatchError)
_Result = TypeVar("_Result")


class _Overtaken(Exception):  # noqa: N818  # no error: the reader reads again
    """A writer may have used the pages of a snapshot that it did not know to be read."""


class LmdbOnlineStore:
    """`OnlineStore` in a directory.

    A writer holds the directory's lock until it closes; a killed writer frees it and leaves its last transaction
    undone. Rows of one write are held in memory until it is done.

    A reader tells writers which snapshot it reads, so that they leave its pages alone. One that cannot write in the
    directory, as in a container that sees it read-only, cannot: it looks afterwards whether a writer has come far
    enough to have used the pages again, and if so reads again.

    Args:
        path: the directory; a writer makes it.
        readonly: open for reading, beside a writer or without one.
        map_bytes: the first size of the map; a writer doubles it when it is full.
        patience_seconds: how long a writer waits for another one.

    Raises:
        RetryError: another writer holds the store, there is none yet to read, it is damaged, or the directory cannot be
            used.
    """

    def __init__(
        self, path: Path, *, readonly: bool = False, map_bytes: int = _FIRST_MAP, patience_seconds: float = 0.0
    ) -> None:
        self._path = path
        self._readonly = readonly
        self._tells = not readonly or os.access(path / "lock.mdb", os.W_OK)
        self._lock: FileLock | None = None
        self._tables: dict[str, Any] = {}
        if readonly:
            if not (path / "data.mdb").is_file():
                raise RetryError(f"there is no online store at {path} yet; materialize a feature set first")
        else:
            self._lock = _writer_lock(path, patience_seconds)
        try:
            self._environment = lmdb.open(
                str(path),
                max_dbs=_MAX_TABLES,
                map_size=map_bytes,
                readonly=readonly,
                max_readers=1024,
                lock=self._tells,
            )
            if self._tells:
                # A killed reader keeps its place, and there are only so many.
                self._environment.reader_check()
            self._restore_length()
        except (lmdb.Error, OSError) as error:
            self._unlock()
            raise self._failed("opened", error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def put_many(self, table: str, rows: Iterable[tuple[bytes, bytes]]) -> int:
        """Write rows in one transaction and return how many."""
        return self._write(table, list(checked_rows(rows)), empty_first=False)

    def replace(self, table: str, rows: Iterable[tuple[bytes, bytes]]) -> int:
        """Make the table hold exactly these rows, in one transaction."""
        return self._write(table, list(checked_rows(rows)), empty_first=True)

    def get_many(self, keys: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
        """Values by (table, key), in the order asked, from one snapshot."""

        def read() -> list[bytes | None]:
            # Opening a table is a transaction of its own, so all are opened before the snapshot is taken.
            handles = {table: self._handle(table) for table, _ in keys}
            with self._snapshot() as transaction:
                return [self._value(transaction, handles[table], key) for table, key in keys]

        return self._reading(read)

    def tables(self) -> list[str]:
        """Names of the tables that hold rows, sorted."""

        def read() -> list[str]:
            with self._snapshot() as transaction:
                return sorted(bytes(name).decode() for name in transaction.cursor().iternext(values=False))

        return self._reading(read)

    def close(self) -> None:
        """Release the store."""
        self._environment.close()
        self._unlock()

    @contextmanager
    def _snapshot(self) -> Iterator[Any]:
        """A reading transaction.

        Raises:
            _Overtaken: what was read may have been written over meanwhile, for nobody knew of the reader.
        """
        try:
            with self._environment.begin() as transaction:
                yield transaction
                snapshot = transaction.id()
        except _DAMAGED as error:
            if self._tells:
                raise
            raise _Overtaken from error
        # Of the snapshot that is still the last one no writer uses a page again.
        if not self._tells and self._environment.info()["last_txnid"] > snapshot:
            raise _Overtaken

    def _restore_length(self) -> None:
        """Fill a file that was cut short with zeros, which LMDB refuses: reading past its end kills the process."""
        needed = (self._environment.info()["last_pgno"] + 1) * self._environment.stat()["psize"]
        file = self._path / "data.mdb"
        missing = needed - file.stat().st_size
        if missing > 0:
            with file.open("r+b") as opened:
                # Never shrinks and overwrites nothing, should a writer be at work.
                os.posix_fallocate(opened.fileno(), needed - missing, missing)

    def _failed(self, done: str, error: Exception) -> RetryError:
        damaged = isinstance(error, _DAMAGED)
        remedy = "; it is damaged: delete that directory and materialize again" if damaged else ""
        return RetryError(f"the online store at {self._path} cannot be {done}: {error}{remedy}")

    def _handle(self, table: str) -> Any | None:
        handle = self._tables.get(table)
        if handle is None:
            try:
                handle = self._tables[table] = self._environment.open_db(table.encode(), create=False)
            except lmdb.NotFoundError:
                return None
        return handle

    @staticmethod
    def _value(transaction: Any, handle: Any | None, key: bytes) -> bytes | None:
        if handle is None or not is_key(key):
            return None
        value: bytes | None = transaction.get(key, db=handle)
        return value

    def _reading(self, read: Callable[[], _Result]) -> _Result:
        for _ in range(8):
            try:
                return read()
            except lmdb.MapResizedError:
                self._environment.set_mapsize(0)
            except _Overtaken:
                continue
            except lmdb.Error as error:
                raise self._failed("read", error) from error
        raise RetryError(f"the online store at {self._path} kept changing while it was read")

    def _write(self, table: str, rows: list[tuple[bytes, bytes]], *, empty_first: bool) -> int:
        if self._readonly:
            raise InputError(f"the online store at {self._path} was opened for reading")
        while True:
            try:
                return self._write_once(table, rows, empty_first=empty_first)
            except lmdb.MapFullError:
                self._tables.clear()
                self._grow()
            except lmdb.Error as error:
                raise self._failed("written", error) from error

    def _write_once(self, table: str, rows: list[tuple[bytes, bytes]], *, empty_first: bool) -> int:
        if not rows and not empty_first:
            return 0
        with self._environment.begin(write=True) as transaction:
            handle = self._environment.open_db(table.encode(), txn=transaction)
            if empty_first:
                # A table without rows is no table.
                transaction.drop(handle, delete=not rows)
            for key, value in rows:
                transaction.put(key, value, db=handle)
        self._tables.pop(table, None)
        return len({key for key, _ in rows})

    def _grow(self) -> None:
        size = self._environment.info()["map_size"] * 2
        try:
            self._environment.set_mapsize(size)
        except (lmdb.Error, OSError) as error:
            raise RetryError(
                f"the online store at {self._path} is full and cannot grow to {size} bytes: {error}"
            ) from error

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _writer_lock(path: Path, patience_seconds: float) -> FileLock:
    lock = FileLock(path / "writer.lock", is_singleton=False, thread_local=False)
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=patience_seconds)
    except Timeout as error:
        raise RetryError(
            f"another process is writing to the online store at {path}; try again when it is done"
        ) from error
    except OSError as error:
        what = "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror or error)
        raise RetryError(f"the online store at {path} cannot be written: {what}") from error
    return lock
