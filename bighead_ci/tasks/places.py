"""Says of which field of a model.yaml something is wrong, where only values are known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bighead_ci.errors import InputError, Problem

LABEL = "label.column"


@contextmanager
def at_field(file: str, subject: str) -> Iterator[None]:
    """Run a block whose errors are about a field of this file, unless they name a place themselves."""
    try:
        yield
    except InputError as error:
        if error.problems:
            raise
        raise InputError([Problem(file=file, subject=subject, message=str(error))]) from error
