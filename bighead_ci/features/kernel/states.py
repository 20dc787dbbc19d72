"""Mergeable states: what is known of some events of one key and column, in one canonical form.

A state is words of 32 bits, and its parts come in a fixed order; equal content gives equal words, whoever encoded it:

- count (2 words). Nothing follows a count of 0.
- sum, then sum of squares: a head (sign, number of digits, place of the lowest on the grid of absolute exponents that
  are multiples of 32), then the digits, without zeros at either end.
- minimum, maximum: a value. First, last: timestamp (2 words), event id, value.

A value or id is 2 words (an integer that orders as it does), or a text: its length in bytes, then UTF-8, filled up with
zeros. Which parts a state has, and whether values and ids are texts, is its *shape*.
"""

from __future__ import annotations

import numpy as np

from bighead_ci.features.kernel.arrays import I64, U8, U32, Bools
from bighead_ci.features.kernel.compiled import compiled
from bighead_ci.features.kernel.digits import MOST_SQUARE_DIGITS, add, add_square, carry, split
from bighead_ci.features.kernel.picks import ordered

HAS_SUM, HAS_SQUARES, HAS_MIN, HAS_MAX, HAS_FIRST, HAS_LAST, TEXT_VALUES, TEXT_IDS = range(8)
"""Flags of a shape."""
MOST_WORDS = 256
"""More than a state has beside its texts."""
_LOWEST = 1024
_NEGATIVE = 0x80000000


@compiled
def word(words: U32, at: int) -> int:
    """One word as int64: Numba makes a float of a mixture with unsigned numbers."""
    return int(np.int64(words[at]))


@compiled
def read_int(words: U32, at: int) -> int:
    """Two words as int64."""
    return int(np.int64(np.uint64(words[at]) | (np.uint64(words[at + 1]) << np.uint64(32))))


@compiled
def write_int(words: U32, at: int, value: int) -> int:
    """Write two words; where the next go."""
    words[at] = np.uint32(value & 0xFFFFFFFF)
    words[at + 1] = np.uint32((value >> 32) & 0xFFFFFFFF)
    return at + 2


@compiled
def number_size(words: U32, at: int) -> int:
    """How many digits a number has."""
    return (word(words, at) >> 16) & 0x7FFF


@compiled
def number_base(words: U32, at: int) -> int:
    """Place of a number's lowest digit on the grid."""
    return (word(words, at) & 0xFFFF) - _LOWEST


@compiled
def add_number(words: U32, at: int, digits: I64, base: int) -> None:
    """Add a stored number to signed digits whose first is `base` on the grid."""
    sign = -1 if words[at] & _NEGATIVE else 1
    place = number_base(words, at) - base
    for digit in range(number_size(words, at)):
        digits[place + digit] += sign * word(words, at + 1 + digit)


@compiled
def _write_number(words: U32, at: int, digits: I64, base: int) -> int:
    """Write signed digits in canonical form."""
    carried = np.empty(digits.size + 2, np.uint64)
    negative = carry(digits, carried)
    first, last = 0, carried.size
    while last > 0 and carried[last - 1] == 0:
        last -= 1
    while first < last and carried[first] == 0:
        first += 1
    if first == last:
        words[at] = 0
        return at + 1
    words[at] = np.uint32((_NEGATIVE if negative else 0) | ((last - first) << 16) | (base + first + _LOWEST))
    for digit in range(first, last):
        words[at + 1 + digit - first] = np.uint32(carried[digit])
    return at + 1 + last - first


@compiled
def _value_size(words: U32, at: int, text: bool) -> int:
    return 1 + (word(words, at) + 3) // 4 if text else 2


@compiled
def _numbers_end(words: U32, place: int, end: int, shape: U8) -> int:
    for flag in (HAS_SUM, HAS_SQUARES):
        if shape[flag]:
            if place >= end or number_size(words, place) > MOST_SQUARE_DIGITS:
                return -1
            place += 1 + number_size(words, place)
    return place


@compiled
def state_size(words: U32, at: int, end: int, shape: U8) -> int:
    """Words of the state that begins here; -1 where it does not lie before `end`."""
    if at + 2 > end or read_int(words, at) < 0:
        return -1
    if read_int(words, at) == 0:
        return 2
    place = _numbers_end(words, at + 2, end, shape)
    if place < 0:
        return -1
    for flag in (HAS_MIN, HAS_MAX, HAS_FIRST, HAS_LAST):
        if shape[flag]:
            if flag in (HAS_FIRST, HAS_LAST):
                place += 2
                if place >= end:
                    return -1
                place += _value_size(words, place, shape[TEXT_IDS] != 0)
            if place >= end:
                return -1
            place += _value_size(words, place, shape[TEXT_VALUES] != 0)
    return place - at if place <= end else -1


@compiled
def copy(words: U32, at: int, size: int, out: U32, to: int) -> int:
    """Copy words; where the next go."""
    for word in range(size):
        out[to + word] = words[at + word]
    return to + size


@compiled
def _compare(left: U32, at: int, right: U32, there: int, text: bool) -> int:
    """Negative, 0 or positive as one value or id is below, equal to or above the other; texts by their bytes."""
    if not text:
        one, other = read_int(left, at), read_int(right, there)
        return int(one > other) - int(one < other)
    length, other_length = word(left, at), word(right, there)
    for byte in range(min(length, other_length)):
        shift = 8 * (byte & 3)
        one = (word(left, at + 1 + byte // 4) >> shift) & 0xFF
        other = (word(right, there + 1 + byte // 4) >> shift) & 0xFF
        if one != other:
            return one - other
    return length - other_length


@compiled
def _merge_numbers(left: U32, at: int, right: U32, there: int, out: U32, to: int) -> int:
    size, other_size = number_size(left, at), number_size(right, there)
    if size == 0:
        return copy(right, there, 1 + other_size, out, to)
    if other_size == 0:
        return copy(left, at, 1 + size, out, to)
    base, other_base = number_base(left, at), number_base(right, there)
    lowest = min(base, other_base)
    digits = np.zeros(max(base + size, other_base + other_size) - lowest, np.int64)
    add_number(left, at, digits, lowest)
    add_number(right, there, digits, lowest)
    return _write_number(out, to, digits, lowest)


@compiled
def merge(shape: U8, left: U32, at: int, right: U32, there: int, out: U32, to: int) -> int:
    """Merge two states into a third; where the next word goes. Associative and commutative, word for word."""
    count, other_count = read_int(left, at), read_int(right, there)
    if count == 0:
        return copy(right, there, state_size(right, there, right.size, shape), out, to)
    if other_count == 0:
        return copy(left, at, state_size(left, at, left.size, shape), out, to)
    to = write_int(out, to, count + other_count)
    at, there = at + 2, there + 2
    for flag in (HAS_SUM, HAS_SQUARES):
        if shape[flag]:
            to = _merge_numbers(left, at, right, there, out, to)
            at, there = at + 1 + number_size(left, at), there + 1 + number_size(right, there)
    texts, text_ids = shape[TEXT_VALUES] != 0, shape[TEXT_IDS] != 0
    for flag in (HAS_MIN, HAS_MAX, HAS_FIRST, HAS_LAST):
        if not shape[flag]:
            continue
        size, other_size, value, other_value = 0, 0, at, there
        if flag in (HAS_FIRST, HAS_LAST):
            size, other_size = 2, 2
            size += _value_size(left, at + 2, text_ids)
            other_size += _value_size(right, there + 2, text_ids)
            value, other_value = at + size, there + other_size
            above = _compare(left, at, right, there, False)
            if above == 0:
                above = _compare(left, at + 2, right, there + 2, text_ids)
        else:
            above = _compare(left, at, right, there, texts)
        size += _value_size(left, value, texts)
        other_size += _value_size(right, other_value, texts)
        if above <= 0 if flag in (HAS_MIN, HAS_FIRST) else above >= 0:
            to = copy(left, at, size, out, to)
        else:
            to = copy(right, there, other_size, out, to)
        at, there = at + size, there + other_size
    return to


@compiled
def _write_value(raw: int, texts: U32, text_starts: I64, text: bool, out: U32, to: int) -> int:
    if text:
        return copy(texts, text_starts[raw], _value_size(texts, text_starts[raw], True), out, to)
    return write_int(out, to, raw)


@compiled
def encode_one(
    shape: U8,
    raw: int,
    floats: bool,
    texts: U32,
    text_starts: I64,
    timestamp: int,
    event_id: int,
    id_texts: U32,
    id_starts: I64,
    out: U32,
    to: int,
) -> int:
    """The state of one event that counts; where the next word goes."""
    to = write_int(out, to, 1)
    if shape[HAS_SUM]:
        magnitude, exponent, negative = split(raw, floats)
        digits = np.zeros(6, np.int64)
        add(digits, exponent >> 5, magnitude, exponent, -1 if negative else 1)
        to = _write_number(out, to, digits, exponent >> 5)
        if shape[HAS_SQUARES]:
            digits[:] = 0
            add_square(digits, (2 * exponent) >> 5, magnitude, exponent, 1)
            to = _write_number(out, to, digits, (2 * exponent) >> 5)
    value = ordered(raw, floats)
    for flag in (HAS_MIN, HAS_MAX, HAS_FIRST, HAS_LAST):
        if shape[flag]:
            if flag in (HAS_FIRST, HAS_LAST):
                to = write_int(out, to, timestamp)
                to = _write_value(event_id, id_texts, id_starts, shape[TEXT_IDS] != 0, out, to)
            to = _write_value(value, texts, text_starts, shape[TEXT_VALUES] != 0, out, to)
    return to


@compiled
def encode(
    shape: U8,
    raw: I64,
    floats: bool,
    present: Bools,
    texts: U32,
    text_starts: I64,
    timestamps: I64,
    event_ids: I64,
    id_texts: U32,
    id_starts: I64,
    room: int,
) -> U32:
    """The state of events in any order; `room`: words that no state of theirs exceeds."""
    state, merged, one = np.zeros(room, np.uint32), np.empty(room, np.uint32), np.empty(room, np.uint32)
    for event in range(raw.size):
        if present[event]:
            encode_one(
                shape, raw[event], floats, texts, text_starts, timestamps[event], event_ids[event], id_texts, id_starts,
                one, 0,
            )  # fmt: skip
            merge(shape, state, 0, one, 0, merged, 0)
            state, merged = merged, state
    return state[: state_size(state, 0, room, shape)].copy()


@compiled
def part_at(words: U32, at: int, shape: U8, flag: int) -> int:
    """Where a part of a state that holds something begins; of first and last, the value."""
    place = at + 2
    for part in (HAS_SUM, HAS_SQUARES):
        if part == flag:
            return place
        if shape[part]:
            place += 1 + number_size(words, place)
    for part in (HAS_MIN, HAS_MAX, HAS_FIRST, HAS_LAST):
        if shape[part]:
            if part in (HAS_FIRST, HAS_LAST):
                place += 2
                place += _value_size(words, place, shape[TEXT_IDS] != 0)
            if part == flag:
                break
            place += _value_size(words, place, shape[TEXT_VALUES] != 0)
    return place


@compiled
def number_at(words: U32, at: int) -> tuple[I64, int]:
    """A stored number as signed digits and its exponent."""
    digits = np.zeros(number_size(words, at) + 1, np.int64)
    base = number_base(words, at) if digits.size > 1 else 0
    add_number(words, at, digits, base)
    return digits, 32 * base
