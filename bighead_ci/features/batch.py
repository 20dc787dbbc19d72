"""Features of many queries at once, over events already sorted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise

import numpy as np

from bighead_ci.errors import BugError
from bighead_ci.features.columns import Column, ColumnPlan, Values
from bighead_ci.features.kernel import windows
from bighead_ci.features.kernel.arrays import BEYOND, EMPTY, F64, I64, OVERFLOW, U8, VALUE, Bools
from bighead_ci.features.meaning import Feature


@dataclass(frozen=True)
class Events:
    """Events of whole keys, sorted by (group, timestamp, event id)."""

    groups: I64
    """A number for each key, not negative and ascending."""
    timestamps: I64
    known: I64
    """When each became known; the greatest int64 for never."""
    columns: Mapping[str, Values]
    ids: Values | None = None
    """Event ids, where states are made of the events."""

    @cached_property
    def visible(self) -> I64:
        """An event is visible at q exactly if this is before q."""
        return np.maximum(self.timestamps, self.known)

    @cached_property
    def starts(self) -> I64:
        """Where each key's events begin."""
        return np.flatnonzero(_changes(self.groups))


def compute(
    plans: Sequence[ColumnPlan], events: Events, groups: I64, queries: I64, threads: int = 1
) -> dict[str, Column]:
    """Every planned feature for each query.

    Args:
        plans: what is asked, by column.
        events: of at least the keys that are queried.
        groups: each query's key, as numbered in `events`; any order.
        queries: query times in microseconds.
        threads: how many to use; results are the same.

    Returns:
        Columns by feature name, in the order of the queries.

    Raises:
        BugError: the events are not sorted.
    """
    _check_order(events)
    rows = _order(groups, queries)
    owners, moments = groups[rows], queries[rows]
    starts = np.append(np.flatnonzero(_changes(owners)), rows.size)
    asked = owners[starts[:-1]]
    firsts, ends = np.searchsorted(events.groups, asked), np.searchsorted(events.groups, asked, side="right")
    places = np.empty(rows.size, np.int64)
    places[rows] = np.arange(rows.size)
    arrival = np.empty(events.groups.size, np.int64)
    results = [_Result.of(plan, queries.size) for plan in plans]
    widest = max((len(plan.features) for plan in plans), default=0)
    sorted_data, sorted_became = np.empty((widest, rows.size), np.int64), np.empty((widest, rows.size), np.uint8)

    def arrange(part: slice) -> None:
        windows.arrange(firsts[part], ends[part], events.visible, arrival)

    def sweep(plan: ColumnPlan, slots: tuple[U8, I64], part: slice) -> None:
        values = events.columns[plan.column]
        windows.sweep(
            firsts[part],
            ends[part],
            events.timestamps,
            events.visible,
            arrival,
            values.raw,
            plan.floats,
            values.present,
            starts[part.start : part.stop + 1],
            moments,
            plan.windows,
            plan.hops,
            *slots,
            sorted_data,
            sorted_became,
        )

    def put_back(result: _Result, part: slice) -> None:
        windows.put_back(places[part], part.start, sorted_data, sorted_became, result.data, result.became)

    parts = _parts(ends - firsts + np.diff(starts), threads)
    queried = _parts(np.ones(rows.size, np.int64), threads)
    with ThreadPoolExecutor(threads) if threads > 1 else nullcontext() as pool:
        _each(arrange, parts, pool)
        for plan, result in zip(plans, results, strict=True):
            _each(partial(sweep, plan, result.slots), parts, pool)
            _each(partial(put_back, result), queried, pool)
    return {
        feature.name: _column(feature, result.data[slot], result.became[slot], events.columns[plan.column])
        for plan, result in zip(plans, results, strict=True)
        for slot, feature in enumerate(plan.features)
    }


@dataclass(frozen=True)
class _Result:
    """Where a plan's results go: [slot, query]."""

    slots: tuple[U8, I64]
    data: I64
    became: U8

    @classmethod
    def of(cls, plan: ColumnPlan, queries: int) -> _Result:
        shape = len(plan.features), queries
        return cls(plan.slots(plan.features), np.empty(shape, np.int64), np.empty(shape, np.uint8))


def _each(action: Callable[[slice], None], parts: Sequence[slice], pool: Executor | None) -> None:
    """Do something with each part, side by side if there is a pool; all is done on return."""
    for _ in map(action, parts) if pool is None else pool.map(action, parts):
        pass


def _parts(weights: I64, threads: int) -> list[slice]:
    """Groups cut into parts of about the same work, several a thread."""
    if threads == 1 or weights.size == 0:
        return [slice(0, weights.size)]
    done = np.cumsum(weights)
    cuts = np.searchsorted(done, np.arange(1, 4 * threads) * done[-1] / (4 * threads))
    edges = np.unique([0, *cuts, weights.size]).tolist()
    return [slice(start, end) for start, end in pairwise(edges)]


def _column(feature: Feature, data: I64, became: U8, values: Values) -> Column:
    typed: I64 | F64 = data.view(np.float64) if feature.type == "float64" else data
    valid = became == VALUE
    if feature.default is not None and feature.operation != "count":
        # Only in an empty window: a result that its type cannot hold is null, whatever the default.
        empty = became == EMPTY
        typed, valid = np.where(empty, typed.dtype.type(feature.default), typed), valid | empty
    beyond = int(np.count_nonzero((became == OVERFLOW) | (became == BEYOND)))
    return Column(typed, valid, values.strings if feature.type == "string" else None, beyond)


def _order(groups: I64, times: I64) -> I64:
    """Positions by (group, time)."""
    by_time = np.argsort(times, kind="stable")
    # NumPy sorts numbers of 16 bits by radix, many times faster than those of 64.
    small = groups.astype(np.min_scalar_type(int(groups.max(initial=0))))
    return by_time[np.argsort(small[by_time], kind="stable")]


def _changes(values: I64) -> Bools:
    """Where a value differs from the one before it; the first does."""
    return np.concatenate([np.ones(min(values.size, 1), np.bool_), np.diff(values) != 0])


def _check_order(events: Events) -> None:
    """The kernel's results would be wrong on unsorted events."""
    steps, times = np.diff(events.groups), events.timestamps
    # Compared, not subtracted: two moments may lie further apart than int64 reaches.
    if np.any(steps < 0) or np.any((steps == 0) & (times[1:] < times[:-1])):
        raise BugError("events reached the kernel out of order")
