"""Features of many queries at once, over events already sorted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bighead_ci.errors import BugError
from bighead_ci.features import kernel
from bighead_ci.features.kernel import I64
from bighead_ci.features.state import Bools, Column, ColumnPlan, Values, encode, finalize


@dataclass(frozen=True)
class Events:
    """Events of whole keys, sorted by (group, timestamp, event id)."""

    groups: I64
    """A number for each key, not negative and ascending."""
    timestamps: I64
    known: I64
    """When each became known; `kernel.GREATEST` for never."""
    columns: Mapping[str, Values]

    @property
    def visible(self) -> I64:
        """An event is visible at q exactly if this is before q."""
        return np.maximum(self.timestamps, self.known)

    def ranks(self) -> I64:
        """Each event's position among its key's events."""
        starts = _starts(self.groups)
        return np.arange(self.groups.size) - np.repeat(starts, np.diff(np.append(starts, self.groups.size)))


def compute(plans: Sequence[ColumnPlan], events: Events, groups: I64, queries: I64) -> dict[str, Column]:
    """Every planned feature for each query.

    Args:
        plans: what is asked, by column.
        events: of at least the keys that are queried.
        groups: each query's key, as numbered in `events`; any order.
        queries: query times in microseconds.

    Returns:
        Columns by feature name, in the order of the queries.

    Raises:
        BugError: the events are not sorted.
    """
    _check_order(events)
    order = _order(groups, queries)
    # Each (key, moment) is computed once, however many queries ask for it.
    new = _changes(groups[order]) | _changes(queries[order])
    moments, owners = queries[order][new], groups[order][new]
    places = np.empty_like(order)
    places[order] = np.cumsum(new) - 1
    starts = _starts(owners)
    visible, ranks = events.visible, events.ranks()
    arrival = _order(events.groups, visible)
    results: dict[str, Column] = {}
    for plan in plans:
        values = events.columns[plan.column]
        layout, leaves, present = encode(plan, values, ranks)
        states = np.empty((moments.size, plan.windows.size, layout.operations.size), np.int64)
        kernel.sweep(
            np.searchsorted(events.groups, owners[starts]),
            np.searchsorted(events.groups, owners[starts], side="right"),
            events.timestamps,
            visible,
            arrival,
            leaves,
            present,
            layout.operations,
            np.append(starts, owners.size),
            moments,
            plan.windows,
            plan.hops,
            states,
        )
        for feature, column in finalize(plan, layout, states, plan.features, values.strings):
            results[feature.name] = Column(column.data[places], column.valid[places], column.strings)
    return results


def _order(groups: I64, times: I64) -> I64:
    """Positions by (group, time)."""
    by_time = np.argsort(times, kind="stable")
    # NumPy sorts numbers of 16 bits by radix, many times faster than those of 64.
    small = groups.astype(np.min_scalar_type(int(groups.max(initial=0))))
    return by_time[np.argsort(small[by_time], kind="stable")]


def _changes(values: I64) -> Bools:
    """Where a value differs from the one before it; the first does."""
    return np.concatenate([np.ones(min(values.size, 1), np.bool_), np.diff(values) != 0])


def _starts(groups: I64) -> I64:
    """Where each group of a sorted array starts."""
    return np.flatnonzero(_changes(groups))


def _check_order(events: Events) -> None:
    """The kernel's results would be wrong on unsorted events."""
    steps = np.diff(events.groups)
    if np.any(steps < 0) or np.any((steps == 0) & (np.diff(events.timestamps) < 0)):
        raise BugError("events reached the kernel out of order")
