"""States of aggregations: encoded from any events, merged with any others, finalised once.

The state of events that were split among partitions, encoded apart and merged in any order is, byte for byte, the state
of all of them.
"""

from __future__ import annotations

import numpy as np

from bighead_ci.documents.definition import Operation
from bighead_ci.errors import InputError
from bighead_ci.features.columns import CODES, ColumnPlan, Values
from bighead_ci.features.kernel import arrays, states, tiles
from bighead_ci.features.kernel.arrays import I64, U32


def encode(plan: ColumnPlan, values: Values, timestamps: I64, event_ids: Values) -> bytes:
    """The state of events in any order.

    Args:
        plan: what is asked of the column.
        values: of the events.
        timestamps: of the events, in microseconds.
        event_ids: of the events.
    """
    state = states.encode(
        plan.shape,
        values.raw,
        plan.floats,
        values.present,
        *values.texts,
        timestamps,
        event_ids.raw,
        *event_ids.texts,
        room_for(values, event_ids),
    )
    return state.astype("<u4").tobytes()


def merge(plan: ColumnPlan, left: bytes, right: bytes) -> bytes:
    """The state of the events of both; associative and commutative.

    Raises:
        InputError: one of them is no state of the plan.
    """
    one, other = _words(plan, left), _words(plan, right)
    merged = np.empty(one.size + other.size + states.MOST_WORDS, np.uint32)
    size = states.merge(plan.shape, one, 0, other, 0, merged, 0)
    return merged[:size].astype("<u4").tobytes()


def value_of(plan: ColumnPlan, state: bytes, operation: Operation) -> int | float | str | None:
    """One operation's value, rounded once; None where there is none, or its type cannot hold it.

    Raises:
        InputError: the bytes are no state of the plan.
    """
    words = _words(plan, state)
    found, whole, real = tiles.answer(plan.shape, words, CODES[operation], plan.floats)
    if found != arrays.VALUE:
        return None
    if plan.column_type == "string" and operation != "count":
        return text_at(words, whole)
    if operation in ("mean", "variance") or (plan.floats and operation == "sum"):
        return float(real)
    if plan.floats and operation != "count":
        return float(np.int64(whole).view(np.float64))
    return int(whole)


def room_for(values: Values, event_ids: Values) -> int:
    """Words that no state of these events exceeds."""
    return states.MOST_WORDS + 4 * values.longest + 2 * event_ids.longest


def text_at(words: U32, at: int) -> str:
    """A text in a state."""
    length = int(words[at])
    return words[at + 1 : at + 1 + (length + 3) // 4].astype("<u4").tobytes()[:length].decode()


def _words(plan: ColumnPlan, state: bytes) -> U32:
    words: U32 = np.frombuffer(state[: len(state) // 4 * 4], "<u4")
    if len(state) % 4 or states.state_size(words, 0, words.size, plan.shape) != words.size:
        raise InputError(f"these {len(state)} bytes are no state of {plan.column} as it is defined")
    return words
