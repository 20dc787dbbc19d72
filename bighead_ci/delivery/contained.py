"""Lets several things be tried though one of them fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bighead_ci.errors import BigheadError, InputError, RetryError


class Contained:
    """Keeps what went wrong until everything was tried."""

    def __init__(self) -> None:
        self.errors: list[BigheadError] = []

    @contextmanager
    def trouble(self) -> Iterator[None]:
        """Run a block; an error of the engine's ends the block, not the caller."""
        try:
            yield
        except BigheadError as error:
            self.errors.append(error)

    def report(self) -> None:
        """Raise what went wrong, as one error.

        Raises:
            RetryError: the same may succeed later, at least in part.
            InputError: nothing will change until somebody mends something.
        """
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            text = "\n".join(str(error) for error in self.errors)
            later = any(isinstance(error, RetryError) for error in self.errors)
            raise RetryError(text) if later else InputError(text)
