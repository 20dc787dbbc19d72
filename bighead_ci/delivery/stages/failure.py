"""How a stage that fails in a process of its own tells why: one file in the checkout, or among its results."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bighead_ci.errors import BigheadError, BugError, InputError, Problem, RetryError

FAILURE_FILE = ".bighead/stage-failure.json"
LARGEST_FAILURE = 256 * 1024
"""Bytes; code that nobody trusts may have written it."""
_KINDS: dict[str, type[BigheadError]] = {kind.__name__: kind for kind in (InputError, RetryError, BugError)}


@contextmanager
def leave_failure(directory: Path) -> Iterator[None]:
    """Write down an engine's error that leaves the block; it goes on being raised."""
    try:
        yield
    except BigheadError as error:
        problems = [p.as_json() for p in error.problems] if isinstance(error, InputError) else []
        path = directory / FAILURE_FILE
        # A full disk may be the very error: it is printed all the same.
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"kind": type(error).__name__, "message": str(error), "problems": problems}))
        raise


def forget_failure(directory: Path) -> None:
    """Remove what an earlier run left."""
    (directory / FAILURE_FILE).unlink(missing_ok=True)


def read_failure(directory: Path) -> BigheadError | None:
    """The error that a stage left, to be raised again; None if it left none."""
    try:
        file = directory / FAILURE_FILE
        about = file.lstat()
        if file.parent.is_symlink() or not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST_FAILURE:
            return None
        found = json.loads(file.read_text())
        kind = _KINDS[found["kind"]]
        problems = [Problem(**problem) for problem in found["problems"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return InputError(problems) if problems else kind(found["message"])
