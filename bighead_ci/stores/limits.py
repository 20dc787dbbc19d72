"""How much memory the offline store may use, and what to do where that is not enough."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bighead_ci.errors import InputError

VARIABLE = "BIGHEAD_MEMORY"
"""Environment variable with the memory that features may use, as `8GB`."""
_UNITS = {"MB": 10**6, "GB": 10**9}
_DEFAULT = 4 * 10**9
_MOST_EVENTS = 4_000_000


@dataclass(frozen=True)
class Limits:
    """What a computation of features may use. Results do not depend on it."""

    memory: int = _DEFAULT
    """Bytes: half for DuckDB, whose sorts spill beyond it; a quarter each for the events at hand and the results."""
    spill: Path | None = None
    """Directory for spilled data; None: DuckDB's default beside the process."""
    threads: int | None = None
    """None: one a processor."""
    most_events: int = _MOST_EVENTS
    """Events handed to the kernel at once, if memory does not allow fewer; a key is never split."""

    @property
    def of_database(self) -> int:
        """Bytes for DuckDB."""
        return self.memory // 2

    @property
    def processors(self) -> int:
        """Threads to use."""
        return self.threads or len(os.sched_getaffinity(0))

    def events_at_once(self, columns: int) -> int:
        """How many events with so many aggregated columns are read before the kernel gets them."""
        return max(1, min(self.most_events, self.events_of_a_key(columns)))

    def events_of_a_key(self, columns: int) -> int:
        """The most events that one key may have."""
        return self.memory // 4 // event_bytes(columns)

    def check_key(self, what: str, key: str, events: int, columns: int) -> None:
        """Refuse a key whose events do not fit.

        Raises:
            InputError: it has more than `events_of_a_key`; says what to do.
        """
        if events > self.events_of_a_key(columns):
            needed = 4 * events * event_bytes(columns)
            raise InputError(
                f"{what}: the key {key} has {events:,} events in reach, which take {size(needed // 4)} in memory; the "
                f"limit for all is {size(self.memory)}. Set {VARIABLE}={size(needed, up=True)} or more, shorten the "
                "windows, or leave out of the source the rows that stand for no real key"
            )

    def check_results(self, what: str, rows: int, features: int, row_bytes: int = 0) -> None:
        """Refuse results that do not fit.

        Args:
            what: Whose they are.
            rows: How many rows.
            features: How many features of each.
            row_bytes: What the rows themselves take, without features.

        Raises:
            InputError: so many rows and features take more than their share; says what to do.
        """
        # A value of 8 bytes and whether it is one, once as computed and once in the order of the rows.
        taken = rows * (9 * features + 18) + row_bytes
        if taken > self.memory // 4:
            raise InputError(
                f"{what}: {features} features of {rows:,} rows take {size(taken)} in memory; the limit for all is "
                f"{size(self.memory)}. Set {VARIABLE}={size(4 * taken, up=True)} or more, or take fewer rows or "
                "features"
            )


def event_bytes(columns: int) -> int:
    """Bytes of an event on its way to the kernel: as Arrow, as arrays, and what the kernel notes of it."""
    return 2 * (24 + 9 * columns) + 8 * columns + 40


def limits_of(variables: Mapping[str, str]) -> Limits:
    """The limits that environment variables ask for.

    Raises:
        InputError: what is asked for is no size.
    """
    text = variables.get(VARIABLE)
    if not text:
        return Limits()
    found = re.fullmatch(r"([1-9][0-9]{0,6})(MB|GB)", text)
    if found is None:
        raise InputError(f"{VARIABLE} must be a whole number of MB or GB, as 8GB; got {text!r}")
    return Limits(memory=int(found[1]) * _UNITS[found[2]])


def size(count: int, *, up: bool = False) -> str:
    """Bytes as people write them; `up`: a whole number, rounded up, as `limits_of` reads it."""
    unit = "GB" if count >= _UNITS["GB"] else "MB"
    if up:
        return f"{-(-count // _UNITS[unit])}{unit}"
    return f"{count / _UNITS[unit]:.3g} {unit}"
