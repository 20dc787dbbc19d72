"""An online store in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bighead_ci.errors import InputError


class FakeOnlineStore:
    """`OnlineStore` over dictionaries."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[bytes, bytes]] = {}
        self.writes = 0
        self.reads = 0
        """Calls, whatever their number of keys."""

    def put_many(self, table: str, rows: Iterable[tuple[bytes, bytes]]) -> int:
        """Write rows and return how many."""
        new = _checked(rows)
        self.writes += 1
        if new:
            self.rows[table] = {**self.rows.get(table, {}), **new}
        return len(new)

    def replace(self, table: str, rows: Iterable[tuple[bytes, bytes]]) -> int:
        """Make the table hold exactly these rows."""
        new = _checked(rows)
        self.writes += 1
        self.rows.pop(table, None)
        if new:
            self.rows[table] = new
        return len(new)

    def get_many(self, keys: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
        """Values in the order asked."""
        self.reads += 1
        return [self.rows.get(table, {}).get(key) for table, key in keys]

    def tables(self) -> list[str]:
        """Names of the tables, sorted."""
        return sorted(self.rows)

    def close(self) -> None:
        """Nothing to release."""


def _checked(rows: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    new = dict(rows)
    for key in new:
        if not 0 < len(key) <= 511:
            raise InputError(f"a key must have 1 to 511 bytes, got {len(key)}")
    return new
