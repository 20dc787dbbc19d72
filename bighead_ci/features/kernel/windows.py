"""Where windows begin, and sweeping them over the sorted events of many keys."""

from __future__ import annotations

import numpy as np

from bighead_ci.features.kernel.arrays import (
    COUNT,
    FIRST,
    GREATEST,
    I64,
    LAST,
    LEAST,
    MAX,
    MEAN,
    MIN,
    SUM,
    U8,
    VARIANCE,
    Bools,
)
from bighead_ci.features.kernel.compiled import compiled
from bighead_ci.features.kernel.picks import pick
from bighead_ci.features.kernel.totals import WIDE, measure, run_totals, summarise, summarise_wide


@compiled
def floor_to(moment: int, hop: int) -> int:
    """A moment floored to a multiple of the hop, towards minus infinity but not beyond int64; hop 0 leaves it."""
    return moment if hop == 0 or moment < LEAST + hop else (moment // hop) * hop


@compiled
def left_end(moment: int, window: int, hop: int) -> int:
    """Where a window that ends at a moment begins; the least int64 where it would begin before."""
    return LEAST if moment < LEAST + window + hop else floor_to(moment - window, hop)


@compiled
def sweep(
    event_starts: I64,
    event_ends: I64,
    timestamps: I64,
    visible: I64,
    arrival: I64,
    raw: I64,
    floats: bool,
    present: Bools,
    query_starts: I64,
    moments: I64,
    windows: I64,
    hops: I64,
    operations: U8,
    slot_windows: I64,
    out: I64,
    found: U8,
) -> None:
    """Answer each query's slots over its group's events.

    An event counts at query time q for window (W, hop) when floor(q - W, hop) <= its timestamp and its visible time,
    the later of timestamp and known-at, is before q.

    Args:
        event_starts: where the events of each group that is asked for start.
        event_ends: where they end.
        timestamps: of the events, ascending within a group by (timestamp, event id).
        visible: of the events, max(timestamp, known at).
        arrival: as `arrange` leaves it.
        raw: the events' values as bits; float64 without -0.0.
        floats: whether they are float64.
        present: whether the event counts at all (its value is not null).
        query_starts: where each such group's queries start, and the end; length groups + 1.
        moments: query times, ascending within a group.
        windows: lengths of the distinct windows.
        hops: hop of each window; 0 for exact.
        operations: of each slot, one slot a feature.
        slot_windows: of each slot, which window.
        out: [slot, query], overwritten with integers, or the bits of float64.
        found: [slot, query], overwritten with what became of the result.
    """
    events, queries = _largest(event_starts, event_ends), _largest(query_starts[:-1], query_starts[1:])
    scaled, tree = np.empty(events, np.int64), np.empty(events + 1, np.int64)
    distinct, which, entered = np.empty(queries, np.int64), np.empty(queries, np.int64), np.empty(queries, np.int64)
    firsts, counts = np.empty(queries, np.int64), np.empty(queries, np.int64)
    sums, squares, scale = np.empty(queries, np.int64), np.empty(queries, np.int64), np.zeros(6, np.int64)
    whole, became = np.empty(queries, np.int64), np.empty(queries, np.uint8)
    real = whole.view(np.float64)
    summed = _asks(operations, SUM) or _asks(operations, MEAN) or _asks(operations, VARIANCE)
    squared = _asks(operations, VARIANCE)
    for group in range(event_starts.size):
        start, end = event_starts[group], event_ends[group]
        seen, bits, counting, arrived = visible[start:end], raw[start:end], present[start:end], arrival[start:end]
        begin = query_starts[group]
        asked = moments[begin : query_starts[group + 1]]
        size = _distinct(asked, distinct, which)
        times = distinct[:size]
        _enter(seen, arrived, times, entered)
        measure(bits, floats, counting, summed, squared, scale, scaled)
        for window in range(windows.size):
            _left_ranks(timestamps[start:end], times, windows[window], hops[window], firsts)
            run_totals(
                seen, counting, scaled, summed and not scale[WIDE], squared and not scale[WIDE], arrived, entered,
                firsts, times, counts, sums, squares,
            )  # fmt: skip
            for slot in range(operations.size):
                if slot_windows[slot] != window:
                    continue
                operation = operations[slot]
                if operation in (MIN, MAX, FIRST, LAST):
                    pick(
                        operation, bits, floats, counting, arrived, entered, firsts[:size], counts, tree, became, whole
                    )  # fmt: skip
                elif operation == COUNT or not scale[WIDE]:
                    summarise(operation, floats, scale, counts[:size], sums, squares, became, whole, real)
                else:
                    summarise_wide(
                        operation, bits, floats, seen, counting, scale, arrived, entered, firsts, times, counts,
                        became, whole, real,
                    )  # fmt: skip
                _repeat(whole, became, which[: asked.size], out[slot, begin:], found[slot, begin:])


@compiled
def _largest(starts: I64, ends: I64) -> int:
    """The greatest number of rows of one group."""
    largest = 0
    for group in range(starts.size):
        largest = max(largest, ends[group] - starts[group])
    return largest


@compiled
def _asks(operations: U8, operation: int) -> bool:
    return bool(np.any(operations == operation))


@compiled
def _distinct(moments: I64, distinct: I64, which: I64) -> int:
    """Each moment once, and which of them each query asks for; how many."""
    size = 0
    for query in range(moments.size):
        if size == 0 or distinct[size - 1] != moments[query]:
            distinct[size] = moments[query]
            size += 1
        which[query] = size - 1
    return size


@compiled
def _repeat(whole: I64, became: U8, which: I64, out: I64, found: U8) -> None:
    """Give each query the result of its moment."""
    for query in range(which.size):
        out[query], found[query] = whole[which[query]], became[which[query]]


@compiled
def arrange(event_starts: I64, event_ends: I64, visible: I64, arrival: I64) -> None:
    """Rank each group's events in the order in which they become visible, where the group's own events are."""
    counts = np.empty(_largest(event_starts, event_ends) + 2, np.int64)
    for group in range(event_starts.size):
        start, end = event_starts[group], event_ends[group]
        if start < end:
            _rank(visible[start:end], arrival[start:end], counts)


@compiled
def _rank(seen: I64, ranks: I64, counts: I64) -> None:
    """Positions of the moments in ascending order, equal ones as they stand.

    Moments are spread about evenly, as a rule: they are counted into as many buckets as there are moments, and what is
    left is done by insertion. Where they are not, that is given up for a merge sort.
    """
    size = np.uint64(seen.size)
    least, most = seen.min(), LEAST
    for moment in seen:
        if most < moment < GREATEST:
            most = moment
    span = np.uint64(max(most, least)) - np.uint64(least)
    shift = np.uint64(0)
    while span >> shift >= size:
        shift += np.uint64(1)
    counts[: seen.size + 2] = 0
    for moment in seen:
        counts[np.int64(min((np.uint64(moment) - np.uint64(least)) >> shift, size)) + 1] += 1
    for earlier in range(seen.size):
        counts[earlier + 1] += counts[earlier]
    for event in range(seen.size):
        bucket = np.int64(min((np.uint64(seen[event]) - np.uint64(least)) >> shift, size))
        ranks[counts[bucket]] = event
        counts[bucket] += 1
    moves = 0
    for position in range(ranks.size):
        event, place = ranks[position], position
        while place > 0 and seen[ranks[place - 1]] > seen[event] and moves <= 16 * ranks.size:
            ranks[place] = ranks[place - 1]
            place -= 1
            moves += 1
        ranks[place] = event
    if moves > 16 * ranks.size:
        ranks[:] = np.argsort(seen, kind="mergesort")


@compiled
def _enter(visible: I64, arrival: I64, moments: I64, entered: I64) -> None:
    """How many events are visible at each moment."""
    here = 0
    for query in range(moments.size):
        while here < arrival.size and visible[arrival[here]] < moments[query]:
            here += 1
        entered[query] = here


@compiled
def _left_ranks(timestamps: I64, moments: I64, window: int, hop: int, firsts: I64) -> None:
    """The first event of the window at each moment."""
    rank, left = 0, LEAST
    for query in range(moments.size):
        # A division is dear: most queries fall into the hop of the one before.
        # Subtracted one by one: from the end of int64 to a moment it may be further than int64 reaches.
        if query == 0 or hop == 0 or moments[query] < LEAST + window + hop or moments[query] - window - hop >= left:
            left = left_end(moments[query], window, hop)
        while rank < timestamps.size and timestamps[rank] < left:
            rank += 1
        firsts[query] = rank


@compiled
def put_back(places: I64, begin: int, sorted_out: I64, sorted_found: U8, out: I64, found: U8) -> None:
    """Give the queries from `begin` on, as many as there are places, what `sweep` wrote at their places; all slots.

    To read here and there takes half as long as to write here and there.
    """
    for slot in range(out.shape[0]):
        for query in range(places.size):
            out[slot, begin + query] = sorted_out[slot, places[query]]
        for query in range(places.size):
            found[slot, begin + query] = sorted_found[slot, places[query]]
