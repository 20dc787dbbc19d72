"""Counts, sums, means and variances of one key's windows, one window length at a time.

Values enter and leave; being exact integers, what leaves leaves nothing behind.
"""

from __future__ import annotations

import numpy as np

from bighead_ci.features.kernel.arrays import COUNT, EMPTY, F64, I64, MEAN, SUM, U8, VALUE, VARIANCE, Bools
from bighead_ci.features.kernel.compiled import compiled
from bighead_ci.features.kernel.digits import (
    MOST_DIGITS,
    MOST_SQUARE_DIGITS,
    add,
    add_square,
    bit_length,
    finished,
    split,
    trailing_zeros,
)

WIDE, EXPONENT, _BASE, _SQUARE_BASE, _DIGITS, _SQUARE_DIGITS = range(6)
"""Fields of a key's scale. Not wide: one int64 holds any of its sums, in units of 2**exponent; else digits do."""
_BITS, _FAR = 62, 400
"""What one int64 may hold of sums; exponents so far from float64's ends that scaling by a power of two is exact."""


@compiled
def measure(raw: I64, floats: bool, present: Bools, summed: bool, squared: bool, scale: I64, scaled: I64) -> None:
    """Choose how a key's sums are held, if it has any, and scale its values where one int64 will do."""
    scale[WIDE] = 0
    if not summed:
        return
    least, most, lowest = 4096, -4096, 4096
    for event in range(raw.size):
        if present[event]:
            magnitude, exponent, _ = split(raw[event], floats)
            if magnitude != 0:
                lowest = min(lowest, exponent)
                least = min(least, exponent + trailing_zeros(magnitude))
                most = max(most, exponent + bit_length(magnitude))
    if least > most:
        least, most, lowest = 0, 0, 0
    bits = (2 if squared else 1) * (most - least) + bit_length(np.uint64(raw.size))
    scale[WIDE] = bits > _BITS or least < -_FAR or most > _FAR
    scale[EXPONENT] = least
    scale[_BASE], scale[_SQUARE_BASE] = lowest >> 5, (2 * lowest) >> 5
    scale[_DIGITS] = (most >> 5) - scale[_BASE] + 3
    scale[_SQUARE_DIGITS] = ((2 * most) >> 5) - scale[_SQUARE_BASE] + 6
    if scale[WIDE]:
        return
    for event in range(raw.size):
        if present[event]:
            magnitude, exponent, negative = split(raw[event], floats)
            shift = exponent - least
            part = magnitude << np.uint64(shift) if shift >= 0 else magnitude >> np.uint64(-shift)
            scaled[event] = -np.int64(part) if negative else np.int64(part)


@compiled
def run_totals(
    visible: I64,
    present: Bools,
    scaled: I64,
    summed: bool,
    squared: bool,
    arrival: I64,
    entered: I64,
    firsts: I64,
    moments: I64,
    counts: I64,
    sums: I64,
    squares: I64,
) -> None:
    """Count, and scaled sum and sum of squares, of the window at each moment.

    Args:
        visible: of the key's events.
        present: which of them count.
        scaled: their values; see `measure`.
        summed: whether sums are wanted.
        squared: whether sums of squares are.
        arrival: the events as they become visible.
        entered: how many of them are visible at each moment.
        firsts: first event of the window at each moment.
        moments: ascending.
        counts: overwritten.
        sums: overwritten.
        squares: overwritten.
    """
    count, total, square = 0, 0, 0
    first, here = 0, 0
    for query in range(moments.size):
        for event in range(first, firsts[query]):
            # It is in the window exactly if it was visible at the query before.
            if query > 0 and present[event] and visible[event] < moments[query - 1]:
                count -= 1
                if summed:
                    total -= scaled[event]
                if squared:
                    square -= scaled[event] * scaled[event]
        first = firsts[query]
        for place in range(here, entered[query]):
            event = arrival[place]
            if event >= first and present[event]:
                count += 1
                if summed:
                    total += scaled[event]
                if squared:
                    square += scaled[event] * scaled[event]
        here = entered[query]
        counts[query], sums[query], squares[query] = count, total, square


@compiled
def summarise(
    operation: int,
    floats: bool,
    scale: I64,
    counts: I64,
    sums: I64,
    squares: I64,
    became: U8,
    whole: I64,
    real: F64,
) -> None:
    """Count, sum, mean or variance at each moment, from scaled totals."""
    unit = 1.0 if operation == COUNT else 2.0 ** scale[EXPONENT]
    for query in range(counts.size):
        count, total, square = counts[query], sums[query], squares[query]
        became[query] = VALUE
        if operation == COUNT:
            whole[query] = count
        elif count == 0:
            became[query], whole[query] = EMPTY, 0
        elif operation == SUM and floats:
            real[query] = np.float64(total) * unit
        elif operation == SUM and scale[EXPONENT] == 0:
            whole[query] = total
        elif operation == MEAN and abs(total) < 2**53:
            # One IEEE division of exact operands rounds correctly.
            real[query] = np.float64(total) / np.float64(count) * unit
        elif operation == VARIANCE and abs(total) < 2**26 and square < 2**26 and count < 2**26:
            real[query] = np.float64(count * square - total * total) / np.float64(count * count) * unit * unit
        else:
            _summarise_exactly(operation, floats, scale[EXPONENT], query, counts, sums, squares, became, whole, real)


@compiled
def _summarise_exactly(
    operation: int,
    floats: bool,
    exponent: int,
    query: int,
    counts: I64,
    sums: I64,
    squares: I64,
    became: U8,
    whole: I64,
    real: F64,
) -> None:
    one, other = sums[query : query + 1], squares[query : query + 1]
    if operation != SUM:
        became[query], _, real[query] = finished(operation, floats, counts[query], one, exponent, other, 2 * exponent)
        return
    # An integer's unit may be a power of two: put the sum on the grid.
    shift = exponent & 31
    digits = np.zeros(2, np.int64)
    digits[0], digits[1] = (sums[query] & 0xFFFFFFFF) << shift, (sums[query] >> 32) << shift
    became[query], whole[query], _ = finished(operation, floats, 1, digits, exponent - shift, digits, 0)


@compiled
def summarise_wide(
    operation: int,
    raw: I64,
    floats: bool,
    visible: I64,
    present: Bools,
    scale: I64,
    arrival: I64,
    entered: I64,
    firsts: I64,
    moments: I64,
    counts: I64,
    became: U8,
    whole: I64,
    real: F64,
) -> None:
    """Sum, mean or variance at each moment of a key whose sums no int64 holds; `counts` as `run_totals` leaves it."""
    digits, square_digits = np.zeros(MOST_DIGITS, np.int64), np.zeros(MOST_SQUARE_DIGITS, np.int64)
    squared, first, here = operation == VARIANCE, 0, 0
    for query in range(moments.size):
        for event in range(first, firsts[query]):
            if query > 0 and present[event] and visible[event] < moments[query - 1]:
                _add_wide(digits, square_digits, scale, raw[event], floats, squared, -1)
        first = firsts[query]
        for place in range(here, entered[query]):
            if arrival[place] >= first and present[arrival[place]]:
                _add_wide(digits, square_digits, scale, raw[arrival[place]], floats, squared, 1)
        here = entered[query]
        became[query], whole[query] = EMPTY, 0
        if counts[query] > 0:
            became[query], total, value = finished(
                operation,
                floats,
                counts[query],
                digits[: scale[_DIGITS]],
                32 * scale[_BASE],
                square_digits[: scale[_SQUARE_DIGITS]],
                32 * scale[_SQUARE_BASE],
            )
            if floats or operation != SUM:
                real[query] = value
            else:
                whole[query] = total


@compiled
def _add_wide(digits: I64, square_digits: I64, scale: I64, raw: int, floats: bool, squared: bool, sign: int) -> None:
    magnitude, exponent, negative = split(raw, floats)
    if magnitude != 0:
        add(digits, scale[_BASE], magnitude, exponent, -sign if negative else sign)
        if squared:
            add_square(square_digits, scale[_SQUARE_BASE], magnitude, exponent, sign)
