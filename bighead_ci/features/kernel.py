"""The aggregation kernel: every loop that must be fast, compiled, and the same offline and online.

A *state* is a row of int64 fields. Two states merge field by field with ADD, MIN, MAX, or FIRST/LAST (a rank and, in
the next field, the value that travels with it). All merges are associative and commutative on integers, so no order and
no partitioning of events can change a result. Sums are held as digits in base 2**32 (`spread`), exactly; rounding to
float64 happens once, in `rounded_sums` and `rounded_means`.

All functions live in one module because Numba's cache only notices changes of the module a function is in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

ADD, MIN, MAX, FIRST, LAST, CARRIED = 0, 1, 2, 3, 4, 5
"""How a field merges. CARRIED: the value of the FIRST or LAST before it."""
LEAST, GREATEST = -(2**63), 2**63 - 1
_DIGIT = 32
"""Bits of a digit."""
_FAR_FROM_SUBNORMAL = -900

_F = TypeVar("_F", bound=Callable[..., Any])


def _compiled(function: _F) -> _F:
    return cast(_F, numba.njit(cache=True, nogil=True)(function))


@_compiled
def identity(operations: U8, state: I64) -> None:
    """Make a state that changes nothing when merged."""
    for field in range(operations.size):
        operation = operations[field]
        if operation in (MIN, FIRST):
            state[field] = GREATEST
        elif operation in (MAX, LAST):
            state[field] = LEAST
        else:
            state[field] = 0


@_compiled
def merge(operations: U8, into: I64, other: I64) -> None:
    """Merge one state into another."""
    for field in range(operations.size):
        operation = operations[field]
        if operation == ADD:
            into[field] += other[field]
        elif operation == MIN:
            into[field] = min(into[field], other[field])
        elif operation == MAX:
            into[field] = max(into[field], other[field])
        elif (operation == FIRST and other[field] < into[field]) or (operation == LAST and other[field] > into[field]):
            into[field] = other[field]
            into[field + 1] = other[field + 1]


@_compiled
def floor_to(moment: int, hop: int) -> int:
    """A moment floored to a multiple of the hop, towards minus infinity but not beyond int64; hop 0 leaves it."""
    return moment if hop == 0 or moment < LEAST + hop else (moment // hop) * hop


@_compiled
def left_end(moment: int, window: int, hop: int) -> int:
    """Where a window that ends at a moment begins; the least int64 where it would begin before."""
    return LEAST if moment < LEAST + window + hop else floor_to(moment - window, hop)


@_compiled
def _move_on(timestamps: I64, moment: int, windows: I64, hops: I64, ranks: I64) -> int:
    """Move each window's first rank on to its left end at a later moment; the least of them."""
    oldest = timestamps.size
    for window in range(windows.size):
        left = left_end(moment, windows[window], hops[window])
        while ranks[window] < timestamps.size and timestamps[ranks[window]] < left:
            ranks[window] += 1
        oldest = min(oldest, ranks[window])
    return oldest


@_compiled
def sweep(
    event_starts: I64,
    event_ends: I64,
    timestamps: I64,
    visible: I64,
    order: I64,
    leaves: I64,
    present: npt.NDArray[np.bool_],
    operations: U8,
    query_offsets: I64,
    queries: I64,
    windows: I64,
    hops: I64,
    out: I64,
) -> None:
    """Aggregate each query's windows over its group's events.

    An event counts at query time q for window (W, hop) when floor(q - W, hop) <= its timestamp and its visible time,
    the later of timestamp and known-at, is before q. Events enter a Fenwick tree over their rank in the order they
    become visible; a window is then one suffix of ranks, so late knowledge costs O(log n) merges like timely knowledge.

    Args:
        event_starts: where the events of each group that is asked for start.
        event_ends: where they end.
        timestamps: of the events, ascending within a group by (timestamp, event id).
        visible: of the events, max(timestamp, known at).
        order: event positions, by group and within it by `visible`.
        leaves: the state of each event alone, one row an event.
        present: whether the event counts at all (its value is not null and it is known some day).
        operations: how each field merges.
        query_offsets: where each such group's queries start, and the end; length groups + 1.
        queries: query times, ascending within a group.
        windows: lengths of the windows.
        hops: hop of each window; 0 for exact.
        out: [query, window, field], overwritten.
    """
    fields = operations.size
    largest = 0
    for group in range(event_starts.size):
        largest = max(largest, event_ends[group] - event_starts[group])
    tree = np.empty((largest + 1, fields), np.int64)
    ranks = np.empty(windows.size, np.int64)
    for group in range(event_starts.size):
        start, end = event_starts[group], event_ends[group]
        size = end - start
        ranks[:] = 0
        for node in range(size + 1):
            identity(operations, tree[node])
        entering, newest = start, -1
        for query in range(query_offsets[group], query_offsets[group + 1]):
            moment = queries[query]
            oldest = _move_on(timestamps[start:end], moment, windows, hops, ranks)
            while entering < end and visible[order[entering]] < moment:
                event = order[entering]
                entering += 1
                if present[event]:
                    newest = max(newest, event - start)
                    node = size - (event - start)
                    # Nodes beyond hold older events too: no later window asks for them.
                    while node <= size - oldest:
                        merge(operations, tree[node], leaves[event])
                        node += node & -node
            for window in range(windows.size):
                state = out[query, window]
                identity(operations, state)
                node = size - ranks[window]
                # Nodes that hold only later events than the newest are still empty.
                while node > 0 and size - node <= newest:
                    merge(operations, state, tree[node])
                    node -= node & -node


@_compiled
def tile(
    timestamps: I64,
    leaves: I64,
    present: npt.NDArray[np.bool_],
    operations: U8,
    hop: int,
    until: int,
    starts: I64,
    states: I64,
) -> tuple[int, int]:
    """Fold one key's events into entries by hop, from the latest to the earliest, each holding all that follow it.

    Events before `until` share an entry per hop (per timestamp when hop is 0), and entry i holds the merged states of
    its own and all later such hops, so that a window is one look-up. Events from `until` on keep an entry each.

    Args:
        timestamps: ascending by (timestamp, event id).
        leaves: the state of each event alone.
        present: whether the event counts.
        operations: how each field merges.
        hop: width of an entry; 0: one per timestamp.
        until: where single entries begin.
        starts: overwritten with the entries' left ends, ascending; as long as the events.
        states: overwritten with the entries' states.

    Returns:
        How many entries lie before `until`, and how many in all.
    """
    past = 0
    entries = 0
    for event in range(timestamps.size):
        if not present[event]:
            continue
        before = timestamps[event] < until
        start = floor_to(timestamps[event], hop) if before else timestamps[event]
        if not before or entries == 0 or starts[entries - 1] != start:
            starts[entries] = start
            identity(operations, states[entries])
            entries += 1
            past += before
        merge(operations, states[entries - 1], leaves[event])
    for entry in range(past - 2, -1, -1):
        merge(operations, states[entry], states[entry + 1])
    return past, entries


@_compiled
def look_up(
    block: I64, position: int, operations: U8, moment: int, windows: I64, hops: I64, tiers: I64, out: I64
) -> int:
    """Merge one aggregation's windows at a moment out of a key's stored block.

    The block has, for each tier (distinct hop): number of entries before `until`, number in all, their starts, their
    states.

    Args:
        block: the key's stored values.
        position: where the aggregation's tiers begin.
        operations: how each field merges.
        moment: the query time.
        windows: lengths of the windows.
        hops: hop of each window.
        tiers: tier of each window; tiers are numbered from 0 without gaps.
        out: [window, field], overwritten.

    Returns:
        The position after the aggregation; -1 where the block is too short for what it says it has.
    """
    fields = operations.size
    for tier in range(tiers.max() + 1):
        if position + 2 > block.size:
            return -1
        past, entries = block[position], block[position + 1]
        if not 0 <= past <= entries <= block.size or position + 2 + entries * (1 + fields) > block.size:
            return -1
        starts = block[position + 2 : position + 2 + entries]
        states = position + 2 + entries
        for window in range(windows.size):
            if tiers[window] != tier:
                continue
            state = out[window]
            identity(operations, state)
            left = left_end(moment, windows[window], hops[window])
            entry = np.searchsorted(starts[:past], left)
            if entry < past:
                merge(operations, state, block[states + entry * fields : states + (entry + 1) * fields])
            for future in range(past, entries):
                if left <= starts[future] < moment:
                    merge(operations, state, block[states + future * fields : states + (future + 1) * fields])
        position = states + entries * fields
    return position


@_compiled
def spread(
    magnitudes: U64,
    negative: npt.NDArray[np.bool_],
    shifts: I64,
    present: npt.NDArray[np.bool_],
    squared: bool,
    digits: I64,
) -> None:
    """Write each value (magnitude * 2**shift, or its square) as signed digits in base 2**32, lowest first.

    Args:
        magnitudes: absolute integer parts.
        negative: signs; of no effect on squares.
        shifts: exponents of two; a negative one only ever drops zero bits.
        present: rows to write; others become zero.
        squared: write the squares.
        digits: [value, digit], overwritten. One digit alone holds the whole value.
    """
    mask = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    for row in range(magnitudes.size):
        digits[row, :] = 0
        if not present[row]:
            continue
        low, high = magnitudes[row], np.uint64(0)
        shift = shifts[row]
        if squared:
            top, bottom = low >> half, low & mask
            cross = top * bottom
            middle = ((bottom * bottom) >> half) + (cross & mask) * np.uint64(2)
            low = ((bottom * bottom) & mask) | ((middle & mask) << half)
            high = top * top + (cross >> half) * np.uint64(2) + (middle >> half)
            shift *= 2
        for digit in range(digits.shape[1]):
            offset = 32 * digit - shift
            if offset >= 4 * _DIGIT or offset <= -2 * _DIGIT:
                part = np.uint64(0)
            elif offset < 0:
                part = low << np.uint64(-offset)
            elif offset == 0:
                part = low
            elif offset < 2 * _DIGIT:
                part = (low >> np.uint64(offset)) | (high << np.uint64(64 - offset))
            else:
                part = high >> np.uint64(offset - 64)
            value = np.int64(part) if digits.shape[1] == 1 else np.int64(part & mask)
            digits[row, digit] = -value if negative[row] and not squared else value


@_compiled
def _magnitude(digits: I64, out: U64) -> bool:
    """Carry signed digits into canonical unsigned ones (two more than came in); true when the total is negative."""
    mask = 0xFFFFFFFF
    size = digits.size
    carry = 0
    for digit in range(size):
        # Split before adding: a lone digit may fill all 64 bits, and the carry must not overflow it.
        low = (digits[digit] & mask) + (carry & mask)
        carry = (digits[digit] >> 32) + (carry >> 32) + (low >> 32)
        out[digit] = np.uint64(low & mask)
    out[size] = np.uint64(carry & mask)
    negative = carry < 0
    out[size + 1] = np.uint64((carry >> 32) & mask)
    if negative:
        borrow = np.uint64(1)
        for digit in range(size + 2):
            flipped = (out[digit] ^ np.uint64(mask)) + borrow
            out[digit] = flipped & np.uint64(mask)
            borrow = flipped >> np.uint64(32)
    return negative


@_compiled
def _round(digits: U64, exponent: int, sticky: bool) -> float:
    """The float64 nearest to digits * 2**exponent (a bit more if `sticky`), ties to even; infinity beyond its range."""
    top = digits.size - 1
    while top >= 0 and digits[top] == 0:
        top -= 1
    if top < 0:
        return 0.0
    bits = 0
    while bits < _DIGIT and digits[top] >> np.uint64(bits) != 0:
        bits += 1
    length = 32 * top + bits
    # The lowest bit kept: 53 from the top, but never below the smallest subnormal.
    cut = max(length - 53, -1074 - exponent)
    mantissa = np.int64(0)
    for bit in range(length - 1, max(cut, 0) - 1, -1):
        mantissa = (mantissa << 1) | np.int64((digits[bit >> 5] >> np.uint64(bit & 31)) & np.uint64(1))
    if cut <= 0:
        return float(np.ldexp(np.float64(mantissa), np.int32(exponent)))
    beyond = cut - 1
    if beyond < length and (digits[beyond >> 5] >> np.uint64(beyond & 31)) & np.uint64(1):
        rest = sticky
        bit = beyond - 1
        while bit >= 0 and not rest:
            rest = ((digits[bit >> 5] >> np.uint64(bit & 31)) & np.uint64(1)) != 0
            bit -= 1
        if rest or mantissa & 1:
            mantissa += 1
    return float(np.ldexp(np.float64(mantissa), np.int32(exponent + cut)))


@_compiled
def rounded_sums(digits: I64, exponent: int, out: F64) -> None:
    """Each row's digits * 2**exponent, correctly rounded."""
    canonical = np.empty(digits.shape[1] + 2, np.uint64)
    for row in range(digits.shape[0]):
        if digits.shape[1] == 1 and abs(digits[row, 0]) < 2**53:
            out[row] = np.ldexp(np.float64(digits[row, 0]), np.int32(exponent))
            continue
        negative = _magnitude(digits[row], canonical)
        value = _round(canonical, exponent, False)
        out[row] = -value if negative and value != 0.0 else value


@_compiled
def rounded_means(digits: I64, exponent: int, counts: I64, out: F64) -> None:
    """Each row's digits * 2**exponent / count, correctly rounded; rows of count 0 are left alone."""
    size = digits.shape[1] + 2
    guard = 3
    # Three zero digits below leave a quotient of at least 64 bits: 53, a rounding bit, and the rest is sticky.
    canonical = np.empty(size, np.uint64)
    quotient = np.empty(size + guard, np.uint64)
    for row in range(digits.shape[0]):
        count = counts[row]
        if count == 0:
            continue
        if exponent > _FAR_FROM_SUBNORMAL and digits.shape[1] == 1 and abs(digits[row, 0]) < 2**53:
            # One IEEE division of exact operands rounds correctly; scaling stays exact far from the subnormals.
            out[row] = np.ldexp(np.float64(digits[row, 0]) / np.float64(count), np.int32(exponent))
            continue
        negative = _magnitude(digits[row], canonical)
        remainder = np.uint64(0)
        divisor = np.uint64(count)
        for digit in range(size + guard - 1, -1, -1):
            lower = canonical[digit - guard] if digit >= guard else np.uint64(0)
            dividend = (remainder << np.uint64(32)) | lower
            quotient[digit] = dividend // divisor
            remainder = dividend % divisor
        value = _round(quotient, exponent - 32 * guard, remainder != 0)
        out[row] = -value if negative and value != 0.0 else value


@_compiled
def fits_int64(digits: I64, out: I64) -> int:
    """Add each row's digits up as int64; the index of the first row that does not fit, or -1."""
    canonical = np.empty(digits.shape[1] + 2, np.uint64)
    for row in range(digits.shape[0]):
        if digits.shape[1] == 1:
            out[row] = digits[row, 0]
            continue
        negative = _magnitude(digits[row], canonical)
        low = canonical[0] | (canonical[1] << np.uint64(32))
        limit = np.uint64(2**63) if negative else np.uint64(2**63 - 1)
        if low > limit or np.any(canonical[2:] != 0):
            return row
        out[row] = -np.int64(low) if negative else np.int64(low)
    return -1
