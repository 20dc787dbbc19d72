"""What is stored of a key: states by hop, so that any later window is one look-up.

For each tier (distinct hop) of a column's windows: number of entries before `until`, number in all, their starts
(2 words each), where each one's state ends (counted from the first one's start), their states. Entry i before `until`
holds the merged states of its own and all later such hops; each later one stands for one timestamp.
"""

from __future__ import annotations

import numpy as np

from bighead_ci.features.kernel.arrays import (
    COUNT,
    EMPTY,
    F64,
    FIRST,
    I64,
    LAST,
    MAX,
    MEAN,
    SUM,
    U8,
    U32,
    VALUE,
    VARIANCE,
    Bools,
)
from bighead_ci.features.kernel.compiled import compiled
from bighead_ci.features.kernel.digits import finished
from bighead_ci.features.kernel.picks import unordered
from bighead_ci.features.kernel.states import (
    HAS_FIRST,
    HAS_LAST,
    HAS_MAX,
    HAS_MIN,
    HAS_SQUARES,
    HAS_SUM,
    MOST_WORDS,
    TEXT_VALUES,
    copy,
    encode_one,
    merge,
    number_at,
    part_at,
    read_int,
    state_size,
    word,
    write_int,
)
from bighead_ci.features.kernel.windows import floor_to, left_end

DAMAGED = -1


@compiled
def grown(words: U32, used: int, more: int) -> U32:
    """The words, with room for some more behind those used."""
    if used + more <= words.size:
        return words
    larger = np.empty(2 * (used + more), np.uint32)
    larger[:used] = words[:used]
    return larger


@compiled
def tile(
    shape: U8,
    timestamps: I64,
    raw: I64,
    floats: bool,
    present: Bools,
    texts: U32,
    text_starts: I64,
    event_ids: I64,
    id_texts: U32,
    id_starts: I64,
    room: int,
    hop: int,
    until: int,
    out: U32,
    used: int,
) -> tuple[U32, int, int]:
    """Append one key's entries of one tier.

    Args:
        shape: of the states.
        timestamps: ascending.
        raw: the events' values as bits, or positions among the texts.
        floats: whether they are float64.
        present: whether the event counts.
        texts: values as states hold them, one behind the other.
        text_starts: where each begins.
        event_ids: as integers, or positions among `id_texts`.
        id_texts: ids as states hold them.
        id_starts: where each begins.
        room: words that no state of these events exceeds.
        hop: width of an entry; 0: one per timestamp.
        until: where entries for one timestamp begin.
        out: what was written so far.
        used: how many words of it.

    Returns:
        `out`, or a larger copy; how many of its words are used; the number of entries.
    """
    starts, ends = np.empty(timestamps.size, np.int64), np.empty(timestamps.size, np.int64)
    # From the latest event to the earliest: each entry is finished when an earlier hop begins.
    backwards, length = np.empty(4 * room, np.uint32), 0
    state, merged, one = np.zeros(room, np.uint32), np.empty(room, np.uint32), np.empty(room, np.uint32)
    entries, past = 0, 0
    for event in range(timestamps.size - 1, -1, -1):
        if not present[event]:
            continue
        before = timestamps[event] < until
        start = floor_to(timestamps[event], hop) if before else timestamps[event]
        if entries == 0 or starts[entries - 1] != start or (before and past == 0):
            if entries > 0:
                backwards, length = _close(shape, state, room, backwards, length)
                ends[entries - 1] = length
            if not before or past == 0:
                state[:2] = 0
            starts[entries] = start
            entries += 1
            past += before
        encode_one(
            shape, raw[event], floats, texts, text_starts, timestamps[event], event_ids[event], id_texts, id_starts,
            one, 0,
        )  # fmt: skip
        merge(shape, one, 0, state, 0, merged, 0)
        state, merged = merged, state
    if entries > 0:
        backwards, length = _close(shape, state, room, backwards, length)
        ends[entries - 1] = length
    out = grown(out, used, 2 + 3 * entries + length)
    out[used], out[used + 1] = past, entries
    used += 2
    for entry in range(entries - 1, -1, -1):
        used = write_int(out, used, starts[entry])
    states, total = used + entries, 0
    for entry in range(entries - 1, -1, -1):
        begin = ends[entry - 1] if entry > 0 else 0
        copy(backwards, begin, ends[entry] - begin, out, states + total)
        total += ends[entry] - begin
        out[used] = total
        used += 1
    return out, states + total, entries


@compiled
def tile_keys(
    shape: U8,
    key_starts: I64,
    key_ends: I64,
    timestamps: I64,
    raw: I64,
    floats: bool,
    present: Bools,
    texts: U32,
    text_starts: I64,
    event_ids: I64,
    id_texts: U32,
    id_starts: I64,
    room: int,
    hops: I64,
    lefts: I64,
    until: int,
) -> tuple[U32, I64, I64]:
    """The tiers of one column for many keys, one behind the other; see `tile`.

    A key's events lie from `key_starts` to `key_ends`. Of each tier, `hops` are the widths of its entries, and events
    before `lefts` are in no window from `until` on. Gives the words, where each key's end, and how many entries it has.
    """
    out, used = np.empty(1024, np.uint32), 0
    ends, entries = np.empty(key_starts.size, np.int64), np.zeros(key_starts.size, np.int64)
    for key in range(key_starts.size):
        start, end = key_starts[key], key_ends[key]
        for tier in range(hops.size):
            first = start + np.searchsorted(timestamps[start:end], lefts[tier])
            out, used, more = tile(
                shape, timestamps[first:end], raw[first:end], floats, present[first:end], texts, text_starts,
                event_ids[first:end], id_texts, id_starts, room, hops[tier], until, out, used,
            )  # fmt: skip
            entries[key] += more
        ends[key] = used
    return out[:used], ends, entries


@compiled
def _close(shape: U8, state: U32, room: int, backwards: U32, length: int) -> tuple[U32, int]:
    """Append a finished state."""
    size = state_size(state, 0, room, shape)
    backwards = grown(backwards, length, size)
    return backwards, copy(state, 0, size, backwards, length)


@compiled
def tier_end(words: U32, at: int) -> int:
    """Where the tier that begins here ends; `DAMAGED` where its words do not say so or it is not whole."""
    if at + 2 > words.size:
        return DAMAGED
    past, entries = word(words, at), word(words, at + 1)
    states = at + 2 + 3 * entries
    if past > entries or states > words.size:
        return DAMAGED
    end = states + (word(words, states - 1) if entries > 0 else 0)
    return end if end <= words.size else DAMAGED


@compiled
def entry_state(words: U32, at: int, entry: int, shape: U8) -> int:
    """Where an entry's state begins in the tier that begins at `at`; `DAMAGED` where it is none."""
    entries = word(words, at + 1)
    ends = at + 2 + 2 * entries
    states = ends + entries
    begin = states + (word(words, ends + entry - 1) if entry > 0 else 0)
    end = states + word(words, ends + entry)
    if begin > end or end > words.size or state_size(words, begin, end, shape) != end - begin:
        return DAMAGED
    return begin


@compiled
def first_entry(words: U32, at: int, entries: int, moment: int) -> int:
    """The first of so many entries of the tier at `at` that does not start before a moment."""
    low, high = 0, entries
    while low < high:
        middle = (low + high) // 2
        if read_int(words, at + 2 + 2 * middle) < moment:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def merge_tiers(shape: U8, left: U32, at: int, right: U32, there: int, out: U32, used: int) -> tuple[U32, int]:
    """Append the tier that the events of both tiers would have given; their `until` must be the same."""
    pasts = word(left, at), word(right, there)
    counts = word(left, at + 1), word(right, there + 1)
    starts = np.empty(counts[0] + counts[1], np.int64)
    past, entries = _union(left, at, 0, pasts[0], right, there, 0, pasts[1], starts, 0), 0
    entries = _union(left, at, pasts[0], counts[0], right, there, pasts[1], counts[1], starts, past)
    out = grown(out, used, 2 + 3 * entries)
    out[used], out[used + 1] = past, entries
    used += 2
    for entry in range(entries):
        used = write_int(out, used, starts[entry])
    ends, states = used, used + entries
    end = states
    for entry in range(entries):
        one = _holding(left, at, pasts[0], counts[0], starts[entry], entry < past)
        other = _holding(right, there, pasts[1], counts[1], starts[entry], entry < past)
        here = entry_state(left, at, one, shape) if one >= 0 else -1
        beside = entry_state(right, there, other, shape) if other >= 0 else -1
        sizes = (state_size(left, here, left.size, shape) if here >= 0 else 0) + (
            state_size(right, beside, right.size, shape) if beside >= 0 else 0
        )
        out = grown(out, end, sizes + MOST_WORDS)
        if here >= 0 and beside >= 0:
            end = merge(shape, left, here, right, beside, out, end)
        elif here >= 0:
            end = copy(left, here, sizes, out, end)
        else:
            end = copy(right, beside, sizes, out, end)
        out[ends + entry] = end - states
    return out, end


@compiled
def _union(
    left: U32, at: int, i: int, until: int, right: U32, there: int, j: int, other_until: int, starts: I64, size: int
) -> int:
    """Append the distinct starts of two ranges of entries, ascending; how many there are in all."""
    while i < until or j < other_until:
        one = read_int(left, at + 2 + 2 * i) if i < until else 0
        other = read_int(right, there + 2 + 2 * j) if j < other_until else 0
        first = j >= other_until or (i < until and one <= other)
        both = i < until and j < other_until and one == other
        starts[size] = one if first else other
        size += 1
        i += int(first)
        j += int(both or not first)
    return size


@compiled
def _holding(words: U32, at: int, past: int, entries: int, start: int, suffix: bool) -> int:
    """The entry that holds what a merged entry needs of this tier; -1 if none."""
    if suffix:
        entry = first_entry(words, at, past, start)
        return entry if entry < past else -1
    entry = first_entry(words, at, entries, start)
    return entry if entry < entries and entry >= past and read_int(words, at + 2 + 2 * entry) == start else -1


@compiled
def _absorb(shape: U8, words: U32, at: int, entry: int, state: U32, spare: U32) -> bool:
    """Merge an entry into a state; false where it is damaged."""
    begin = entry_state(words, at, entry, shape)
    if begin < 0:
        return False
    size = merge(shape, state, 0, words, begin, spare, 0)
    state[:size] = spare[:size]
    return True


@compiled
def _window(shape: U8, words: U32, at: int, left: int, moment: int, state: U32, spare: U32) -> bool:
    """Make the state of what lies in [left, moment); false where an entry is damaged."""
    past, entries = word(words, at), word(words, at + 1)
    state[:2] = 0
    first = first_entry(words, at, past, left)
    if first < past and not _absorb(shape, words, at, first, state, spare):
        return False
    for entry in range(past, entries):
        inside = left <= read_int(words, at + 2 + 2 * entry) < moment
        if inside and not _absorb(shape, words, at, entry, state, spare):
            return False
    return True


@compiled
def look_up(
    words: U32,
    at: int,
    shape: U8,
    floats: bool,
    moment: int,
    windows: I64,
    hops: I64,
    tiers: I64,
    operations: U8,
    slot_windows: I64,
    ints: I64,
    reals: F64,
    found: U8,
    merged: U32,
) -> int:
    """Answer slots of one column at a moment out of what is stored of a key.

    Args:
        words: the key's stored words.
        at: where the column's tiers begin.
        shape: of the states.
        floats: whether values are float64.
        moment: the query time.
        windows: lengths of the windows.
        hops: hop of each window.
        tiers: tier of each window; tiers are numbered from 0 without gaps.
        operations: of each slot.
        slot_windows: of each slot, which window.
        ints: [slot], overwritten where the result is an integer; of a text, where it begins in `merged`, read flat.
        reals: the same memory as float64.
        found: [slot], overwritten with what became of the result.
        merged: [window, word], overwritten; rows must hold any state of the key.

    Returns:
        Where the next column begins; `DAMAGED` where the words are not what they say they are.
    """
    spare = np.empty(merged.shape[1], np.uint32)
    for tier in range(tiers.max() + 1):
        end = tier_end(words, at)
        if end < 0:
            return DAMAGED
        for window in range(windows.size):
            if tiers[window] != tier:
                continue
            left = left_end(moment, windows[window], hops[window])
            if not _window(shape, words, at, left, moment, merged[window], spare):
                return DAMAGED
        at = end
    for slot in range(operations.size):
        row = slot_windows[slot]
        found[slot], ints[slot], real = answer(shape, merged[row], operations[slot], floats)
        if operations[slot] in (MEAN, VARIANCE) or (floats and operations[slot] == SUM):
            reals[slot] = real
        elif shape[TEXT_VALUES] and operations[slot] not in (COUNT, SUM):
            ints[slot] += row * merged.shape[1]
    return at


@compiled
def answer(shape: U8, state: U32, operation: int, floats: bool) -> tuple[int, int, float]:
    """One operation of a state: what became of it, and the integer (of a text: where it begins) or the float64."""
    count = read_int(state, 0)
    if operation == COUNT:
        return VALUE, count, 0.0
    if count == 0:
        return EMPTY, 0, 0.0
    if operation in (SUM, MEAN, VARIANCE):
        sums, exponent = number_at(state, part_at(state, 0, shape, HAS_SUM))
        if operation == VARIANCE:
            squares, square_exponent = number_at(state, part_at(state, 0, shape, HAS_SQUARES))
            return finished(operation, floats, count, sums, exponent, squares, square_exponent)
        return finished(operation, floats, count, sums, exponent, sums, exponent)
    flag = HAS_MIN
    if operation == MAX:
        flag = HAS_MAX
    elif operation == FIRST:
        flag = HAS_FIRST
    elif operation == LAST:
        flag = HAS_LAST
    place = part_at(state, 0, shape, flag)
    return VALUE, place if shape[TEXT_VALUES] else unordered(read_int(state, place), floats), 0.0
