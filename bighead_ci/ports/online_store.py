"""Key-value store of feature state for serving."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol


class OnlineStore(Protocol):
    """Bytes by (table, key). One writer at a time; any number of readers in other processes.

    Raises:
        RetryError: from every call: the store is out of reach, or, to a writer, full or locked by another.
    """

    def put_many(self, table: str, rows: Iterable[tuple[bytes, bytes]]) -> int:
        """Write rows in one transaction (all or nothing) and return how many."""

    def replace(self, table: str, rows: Iterable[tuple[bytes, bytes]]) -> int:
        """Make the table hold exactly these rows, in one transaction."""

    def get_many(self, keys: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
        """Values by (table, key), in the order asked; None where there is none. All from one snapshot."""

    def tables(self) -> list[str]:
        """Names of the tables, sorted."""

    def close(self) -> None:
        """Release the store."""
