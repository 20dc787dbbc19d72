"""Minimum, maximum, first and last of one key's windows, whose events may arrive in any order.

The first three are suffixes of a Fenwick tree over ranks: what arrives late costs O(log n), like any other.
"""

from __future__ import annotations

from bighead_ci.features.kernel.arrays import EMPTY, FIRST, GREATEST, I64, LAST, LEAST, MAX, U8, VALUE, Bools
from bighead_ci.features.kernel.compiled import compiled


@compiled
def ordered(raw: int, floats: bool) -> int:
    """An integer that orders as the value with these bits does."""
    return raw ^ GREATEST if floats and raw < 0 else raw


@compiled
def unordered(key: int, floats: bool) -> int:
    """The bits whose `ordered` it is."""
    return key ^ GREATEST if floats and key < 0 else key


@compiled
def pick(
    operation: int,
    raw: I64,
    floats: bool,
    present: Bools,
    arrival: I64,
    entered: I64,
    firsts: I64,
    counts: I64,
    tree: I64,
    became: U8,
    whole: I64,
) -> None:
    """The picked event's value (its bits) at each moment.

    Args:
        operation: `MIN`, `MAX`, `FIRST` or `LAST`.
        raw: the key's values.
        floats: whether they are float64.
        present: which events count.
        arrival: the events as they become visible.
        entered: how many of them are visible at each moment.
        firsts: first event of the window at each moment.
        counts: how many events it holds.
        tree: room for a node an event and one more.
        became: overwritten.
        whole: overwritten.
    """
    size, here, newest = raw.size, 0, -1
    tree[: size + 1] = LEAST if operation == MAX else GREATEST
    for query in range(firsts.size):
        for place in range(here, entered[query]):
            event = arrival[place]
            if not present[event]:
                continue
            newest = max(newest, event)
            if operation != LAST and event >= firsts[query]:
                key = event if operation == FIRST else ordered(raw[event], floats)
                _enter(tree, operation, size, event, firsts[query], key)
        here = entered[query]
        became[query], whole[query] = EMPTY, 0
        if counts[query] > 0:
            became[query] = VALUE
            if operation == LAST:
                whole[query] = raw[newest]
            else:
                key = _best(tree, operation, size, firsts[query], newest)
                whole[query] = raw[key] if operation == FIRST else unordered(key, floats)


@compiled
def _enter(tree: I64, operation: int, size: int, rank: int, first: int, key: int) -> None:
    node = size - rank
    # Nodes beyond hold ranks before the window's first too: no later window asks them.
    while node <= size - first:
        tree[node] = max(tree[node], key) if operation == MAX else min(tree[node], key)
        node += node & -node


@compiled
def _best(tree: I64, operation: int, size: int, first: int, newest: int) -> int:
    best = LEAST if operation == MAX else GREATEST
    node = size - first
    # Nodes that hold only later ranks than the newest are still empty.
    while node > 0 and size - node <= newest:
        best = max(best, tree[node]) if operation == MAX else min(best, tree[node])
        node -= node & -node
    return best
