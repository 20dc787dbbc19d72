"""Window aggregates by brute force over Python fractions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class Event:
    """One row: a key, a time, an id that breaks ties, when it was known (None: never), a value (None: null)."""

    key: Any
    timestamp: int
    event_id: int
    known: int | None
    value: Any


def visible(events: Sequence[Event], key: Any, moment: int, window: int, hop: int) -> list[Event]:
    """Events of the key in [floor(moment - window, hop), moment) that were known before the moment, in total order."""
    left = moment - window
    if hop:
        left = math.floor(Fraction(left, hop)) * hop
    found = [
        event
        for event in events
        if key is not None
        and event.key == key
        and left <= event.timestamp < moment
        and event.known is not None
        and event.known < moment
    ]
    return sorted(found, key=lambda event: (event.timestamp, event.event_id))


def aggregate(operation: str, events: Sequence[Event]) -> Any:
    """One operation over events in order; None where there is nothing to say."""
    values = [event.value for event in events if counts(event.value)]
    if operation == "count":
        return len(values)
    if not values:
        return None
    if operation in ("first", "last", "min", "max"):
        picked = {"first": values[0], "last": values[-1], "min": min(values), "max": max(values)}[operation]
        return picked + 0 if isinstance(picked, int | float) else picked
    exact = [Fraction(value) for value in values]
    total = sum(exact, Fraction(0))
    if operation == "sum":
        return total.numerator if all(isinstance(value, int) for value in values) else nearest(total)
    mean = total / len(exact)
    if operation == "mean":
        return nearest(mean)
    return nearest(sum(((value - mean) ** 2 for value in exact), Fraction(0)) / len(exact))


def counts(value: Any) -> bool:
    """NaN and infinities are as good as null."""
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def nearest(value: Fraction) -> float | None:
    """The nearest float; None beyond its range."""
    try:
        return float(value) + 0.0
    except OverflowError:
        return None
