"""What every online store takes for a key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bighead_ci.errors import InputError

LONGEST_KEY = 511


def is_key(key: bytes) -> bool:
    """Whether a store could hold it."""
    return 0 < len(key) <= LONGEST_KEY


def checked_rows(rows: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """The rows, as they are made.

    Raises:
        InputError: at a key that no store can hold.
    """
    for key, value in rows:
        if not is_key(key):
            raise InputError(f"a key must have 1 to {LONGEST_KEY} bytes, got {len(key)}: {key[:40]!r}")
        yield key, value
