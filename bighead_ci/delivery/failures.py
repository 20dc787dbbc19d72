"""Lets several things be tried though one of them fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bighead_ci.documents.failure import Failure
from bighead_ci.errors import BigheadError


class Failures:
    """Keeps what went wrong, so that everything else is tried."""

    def __init__(self) -> None:
        self.found: list[Failure] = []

    @contextmanager
    def contain(self, about: str) -> Iterator[None]:
        """Run a block; an error that the engine raises on purpose ends the block, not the caller."""
        try:
            yield
        except BigheadError as error:
            self.add(about, error)

    def add(self, about: str, error: BigheadError) -> None:
        """Keep one error."""
        self.found.append(Failure(about=about, remedy=error.remedy, message=str(error)))
