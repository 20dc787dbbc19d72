"""Objects as files of a directory, on one machine or on a volume that machines share."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bighead_ci.documents.base import replacing
from bighead_ci.errors import RetryError
from bighead_ci.stores.object_names import checked

_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class DirectoryObjectStore:
    """`ObjectStore` below a directory: an object is a file, written beside and renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, name: str, content: bytes | Path) -> None:
        """Write an object."""
        with self._answering("written"), replacing(self._file(name)) as beside:
            _write(beside, content)

    def read(self, name: str) -> bytes:
        """What an object holds."""
        with self._answering("read"):
            try:
                return self._file(name).read_bytes()
            except _ABSENT as error:
                raise KeyError(name) from error

    def get(self, name: str, into: Path) -> None:
        """Write what an object holds to a file."""
        with self._answering("read"):
            try:
                source = self._file(name).open("rb")
            except _ABSENT as error:
                raise KeyError(name) from error
            with source, replacing(into) as beside, beside.open("wb") as target:
                shutil.copyfileobj(source, target)

    def has(self, name: str) -> bool:
        """Whether there is an object of that name."""
        with self._answering("read"):
            return self._file(name).is_file()

    def names(self, folder: str = "") -> list[str]:
        """Names of all objects below a folder, sorted."""
        top = self._file(folder) if folder else self._root
        with self._answering("read"):
            return sorted(
                Path(directory, file).relative_to(self._root).as_posix()
                for directory, folders, files in os.walk(top, onerror=_refuse)
                for file in files
                if not file.startswith(".")
            )

    def delete(self, name: str) -> None:
        """Remove an object."""
        with self._answering("written"), suppress(NotADirectoryError):
            self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self._root / checked(name)

    @contextmanager
    def _answering(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what = "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror or error)
            raise RetryError(f"the object store at {self._root} cannot be {done}: {what}") from error


def _write(file: Path, content: bytes | Path) -> None:
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        shutil.copyfile(content, file)


def _refuse(error: OSError) -> None:
    """A folder that is not there has no objects."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
