"""Says failures of SQLite, MLflow and the disk in the engine's three kinds of error."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bighead_ci.errors import BigheadError, BugError, InputError, RetryError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
_LIBRARIES = {"sqlite3", "sqlalchemy", "mlflow"}

_MESSAGES: list[tuple[tuple[str, ...], type[BigheadError], str]] = [
    (("is locked",), RetryError, "the record store {database} is locked by another process; run the command again"),
    (
        ("disk is full", "disk i/o error"),
        RetryError,
        "the disk of the record store {database} is full or failing; free space and run the command again",
    ),
    (
        ("readonly database", "unable to open database"),
        InputError,
        "the record store {database} cannot be opened for writing; check path and permissions",
    ),
    (
        ("not a database", "malformed"),
        InputError,
        "the record store {database} is damaged, or no SQLite database; restore it from a copy",
    ),
    (
        ("out-of-date database schema", "no such table", "no such column", "can't locate revision"),
        InputError,
        (
            "the record store {database} was made by another version of MLflow; "
            "keep a copy of it and run `mlflow db upgrade sqlite:///{database}`"
        ),
    ),
]
"""Words in what SQLite, SQLAlchemy or MLflow say, and what that means here."""


@contextmanager
def reported(database: Path) -> Iterator[None]:
    """Run a block that uses the database and its artifacts; what goes wrong in it names the store.

    Raises:
        RetryError: locked by another process, or the disk is full.
        InputError: it cannot be written or read, is damaged, or was made by another MLflow.
        BugError: MLflow refused for a reason that has no better class.
    """
    try:
        yield
    except BigheadError:
        raise
    except OSError as error:
        raise _of_os(error, database) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _LIBRARIES:
            raise
        raise _of_library(error, database) from error


def _of_os(error: OSError, database: Path) -> BigheadError:
    where = error.filename or database.parent
    if error.errno in _FULL:
        return RetryError(f"the disk is full: {where} could not be written; free space and run the command again")
    if error.errno in _FORBIDDEN:
        return InputError(f"the record store cannot use {where}: {error.strerror}; check path and permissions")
    return RetryError(f"the record store could not use {where}: {error.strerror or error}")


def _of_library(error: Exception, database: Path) -> BigheadError:
    text = str(error)
    for words, kind, message in _MESSAGES:
        if any(word in text.lower() for word in words):
            return kind(message.format(database=database))
    if getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE":
        return InputError(f"MLflow refused a value: {text}")
    return BugError(f"MLflow failed on {database}: {text}")
