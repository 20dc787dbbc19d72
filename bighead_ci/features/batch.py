"""Features of many queries at once, over events already sorted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bighead_ci.errors import BugError
from bighead_ci.features import kernel
from bighead_ci.features.kernel import I64
from bighead_ci.features.state import Column, ColumnPlan, Values, encode, finalize


@dataclass(frozen=True)
class Events:
    """Events of whole keys, sorted by (group, timestamp, event id)."""

    groups: I64
    """A number for each key, ascending."""
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
        positions = np.arange(self.groups.size, dtype=np.int64)
        return positions - np.searchsorted(self.groups, self.groups)


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
    order = np.lexsort((queries, groups))
    back = np.empty_like(order)
    back[order] = np.arange(order.size)
    distinct = np.unique(groups)
    ends = np.append(distinct, distinct[-1:] + 1)
    event_offsets = np.searchsorted(events.groups, ends).astype(np.int64)
    query_offsets = np.searchsorted(groups[order], ends).astype(np.int64)
    # Keys that nobody asks about lie between those offsets: give each queried key its own slice without them.
    wanted = np.isin(events.groups, distinct)
    if not wanted.all():
        events = _only(events, wanted)
        event_offsets = np.searchsorted(events.groups, ends).astype(np.int64)
    visible = events.visible
    arrival = np.lexsort((visible, events.groups)).astype(np.int64)
    ranks = events.ranks()
    results: dict[str, Column] = {}
    for plan in plans:
        values = events.columns[plan.column]
        layout, leaves, present = encode(plan, values, ranks)
        states = np.empty((queries.size, plan.windows.size, layout.operations.size), np.int64)
        kernel.sweep(
            event_offsets,
            events.timestamps,
            visible,
            arrival,
            leaves,
            present,
            layout.operations,
            query_offsets,
            queries[order],
            plan.windows,
            plan.hops,
            states,
        )
        for feature, column in finalize(plan, layout, states, values.strings):
            results[feature.name] = Column(column.data[back], column.valid[back], column.strings)
    return results


def _check_order(events: Events) -> None:
    """The kernel would never end on unsorted events."""
    steps = np.diff(events.groups)
    if np.any(steps < 0) or np.any((steps == 0) & (np.diff(events.timestamps) < 0)):
        raise BugError("events reached the kernel out of order")


def _only(events: Events, wanted: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Events:
    return Events(
        events.groups[wanted],
        events.timestamps[wanted],
        events.known[wanted],
        {
            name: Values(values.data[wanted], values.valid[wanted], values.strings)
            for name, values in events.columns.items()
        },
    )
