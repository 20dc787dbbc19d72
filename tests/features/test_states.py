"""States of partitions that were encoded apart merge to the bytes of the whole."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bighead_ci.documents.definition import ColumnType, Operation
from bighead_ci.errors import InputError
from bighead_ci.features.batch import Events
from bighead_ci.features.columns import ColumnPlan, Values
from bighead_ci.features.kernel.compiled import cache_directory
from bighead_ci.features.materialized import key_states, merge_key_states
from bighead_ci.features.meaning import Feature
from bighead_ci.features.operations import OPERATIONS, output_type
from bighead_ci.features.states import encode, merge, value_of
from oracles.windows import Event, aggregate

HOUR = 3_600_000_000
UNTIL = 1_380_585_600_000_000
WINDOWS = ((HOUR, 0), (2 * HOUR, 300_000_000), (7 * HOUR, HOUR))

floats = st.one_of(
    st.sampled_from([None, 0.0, -0.0, float("nan"), float("inf"), 0.1, 1e16, -1e16, 5e-324, 1e300, -1e300, 1e-300]),
    st.floats(-1000, 1000),
    st.floats(allow_nan=False),
)
integers = st.one_of(st.none(), st.integers(-3, 3), st.sampled_from([2**62, -(2**63), 2**63 - 1, 2**40]))
strings = st.one_of(st.none(), st.sampled_from(["", "a", "b", "B", "ab", "é", "zzzzz", "\U0001f600"]))
VALUES: dict[ColumnType, st.SearchStrategy[Any]] = {"float64": floats, "int64": integers, "string": strings}


def plan(kind: ColumnType, operations: list[Operation], *, text_ids: bool) -> ColumnPlan:
    features = [
        Feature(f"x_{operation}_{number}", "x", operation, window, hop, output_type(kind, operation), None)
        for operation in operations
        for number, (window, hop) in enumerate(WINDOWS)
    ]
    return ColumnPlan("x", kind, tuple(features), text_ids)


def column(values: list[Any], kind: ColumnType) -> Values:
    """Values as an engine of its own would hand them over: strings numbered among themselves."""
    valid = np.array([value is not None for value in values], np.bool_)
    if kind == "string":
        known = tuple(sorted({value for value in values if value is not None}))
        return Values(np.array([known.index(v) if v is not None else 0 for v in values], np.int64), valid, known)
    numbers = [0 if value is None else value for value in values]
    return Values(np.array(numbers, np.float64) if kind == "float64" else np.array(numbers, np.int64), valid)


def ids_of(events: list[Event], *, text_ids: bool) -> Values:
    """Event ids; as texts they order otherwise than as numbers."""
    return column([f"#{e.event_id}" if text_ids else e.event_id for e in events], "string" if text_ids else "int64")


def state_of(the_plan: ColumnPlan, events: list[Event]) -> bytes:
    values = column([event.value for event in events], the_plan.column_type)
    times = np.array([event.timestamp for event in events], np.int64)
    return encode(the_plan, values, times, ids_of(events, text_ids=the_plan.text_ids))


def bits(value: Any) -> Any:
    return struct.pack("<d", value) if isinstance(value, float) else value


def total_order(event: Event, *, text_ids: bool) -> tuple[int, Any]:
    return event.timestamp, f"#{event.event_id}" if text_ids else event.event_id


def merged_in_any_order(data: st.DataObject, pool: list[bytes], merger: Any) -> bytes:
    while len(pool) > 1:
        left = pool.pop(data.draw(st.integers(0, len(pool) - 1)))
        place = data.draw(st.integers(0, len(pool) - 1))
        pool[place] = merger(left, pool[place])
    return pool[0]


@st.composite
def partitioned(draw: st.DrawFn) -> tuple[ColumnPlan, list[Event], list[list[Event]]]:
    """A plan of some of a type's operations, events, and the same events in parts."""
    kind: ColumnType = draw(st.sampled_from(sorted(VALUES)))
    operations = draw(st.lists(st.sampled_from(OPERATIONS[kind]), min_size=1, unique=True))
    times = st.integers(UNTIL - 8 * HOUR, UNTIL + HOUR) | st.sampled_from([UNTIL - 1, UNTIL, UNTIL - HOUR])
    drawn = draw(st.lists(st.tuples(times, VALUES[kind], st.integers(0, 3)), max_size=12))
    events = [Event("k", at, number, at, value) for number, (at, value, _) in enumerate(drawn)]
    parts = [[event for event, (_, _, of) in zip(events, drawn, strict=True) if of == part] for part in range(4)]
    return plan(kind, operations, text_ids=draw(st.booleans())), events, parts


@settings(max_examples=300, deadline=None)
@given(partitioned(), st.data())
def test_partitions_encoded_apart_merge_to_the_bytes_of_the_whole(
    drawn: tuple[ColumnPlan, list[Event], list[list[Event]]], data: st.DataObject
) -> None:
    """For every operation, type of value and type of id, whatever the partition and the order of merging."""
    the_plan, events, parts = drawn
    whole = state_of(the_plan, events)
    pool = [state_of(the_plan, part) for part in parts]
    assert merged_in_any_order(data, pool, lambda left, right: merge(the_plan, left, right)) == whole
    shuffled = data.draw(st.permutations(events))
    assert state_of(the_plan, shuffled) == whole


@settings(max_examples=200, deadline=None)
@given(partitioned())
def test_a_states_values_equal_brute_force(drawn: tuple[ColumnPlan, list[Event], list[list[Event]]]) -> None:
    """Each operation of a state has the oracle's bytes; a sum of integers beyond int64 is null."""
    the_plan, events, _ = drawn
    ordered = sorted(events, key=lambda event: total_order(event, text_ids=the_plan.text_ids))
    state = state_of(the_plan, events)
    for operation in {feature.operation for feature in the_plan.features}:
        expected = aggregate(operation, ordered)
        if operation == "sum" and isinstance(expected, int) and not -(2**63) <= expected < 2**63:
            expected = None
        assert bits(value_of(the_plan, state, operation)) == bits(expected), operation


def keys_of(the_plan: ColumnPlan, events: list[Event]) -> dict[int, bytes]:
    ordered = sorted(events, key=lambda e: (e.key, *total_order(e, text_ids=the_plan.text_ids)))
    batch = Events(
        np.array([0 if event.key == "k" else 1 for event in ordered], np.int64),
        np.array([event.timestamp for event in ordered], np.int64),
        np.array([event.timestamp for event in ordered], np.int64),
        {"x": column([event.value for event in ordered], the_plan.column_type)},
        ids_of(ordered, text_ids=the_plan.text_ids),
    )
    return dict(key_states([the_plan], batch, UNTIL))


@settings(max_examples=200, deadline=None)
@given(partitioned(), st.data())
def test_what_is_stored_of_a_key_merges_too(
    drawn: tuple[ColumnPlan, list[Event], list[list[Event]]], data: st.DataObject
) -> None:
    """Tiles of partitions, made apart, merge to the bytes of the tiles of all events."""
    the_plan, events, parts = drawn
    whole = keys_of(the_plan, events).get(0)
    pool = [found[0] for part in parts if (found := keys_of(the_plan, part))]
    if whole is None:
        assert pool == []
        return
    assert merged_in_any_order(data, pool, lambda left, right: merge_key_states([the_plan], left, right)) == whole


def test_a_state_holds_only_the_digits_that_it_needs() -> None:
    """One extreme pair makes its own state wide, and nobody else's."""
    the_plan = plan("float64", ["sum", "variance"], text_ids=False)
    calm = [Event("k", UNTIL - number, number, 0, number / 4) for number in range(1, 100)]
    wild = [*calm, Event("k", UNTIL - 1, 100, 0, 1e300), Event("k", UNTIL - 2, 101, 0, 1e-300)]
    assert len(state_of(the_plan, calm)) <= 40
    assert 500 < len(state_of(the_plan, wild)) < 900
    others = [Event("l", UNTIL - number, 200 + number, 0, number / 4) for number in range(1, 100)]
    assert keys_of(the_plan, wild + others)[1] == keys_of(the_plan, calm + others)[1]


def test_only_the_hops_before_an_extreme_value_hold_its_digits() -> None:
    """Every entry holds all that follow it, so what came later than 1e300 is as small as without it."""
    the_plan = plan("float64", ["sum"], text_ids=False)
    calm = [Event("k", UNTIL - minutes * 60_000_000, minutes, 0, 0.25) for minutes in range(1, 60)]
    early = [*calm, Event("k", UNTIL - HOUR - 1, 100, 0, 1e300), Event("k", UNTIL - HOUR - 2, 101, 0, 1e-300)]
    assert len(keys_of(the_plan, early)[0]) < len(keys_of(the_plan, calm)[0]) + 2000


def test_bytes_that_are_no_state_are_refused() -> None:
    """Cut anywhere, or of another plan: an error, never a number."""
    the_plan = plan("string", ["min", "last"], text_ids=True)
    state = state_of(the_plan, [Event("k", UNTIL, 1, 0, "somewhat long"), Event("k", UNTIL, 2, 0, "short")])
    for cut in range(len(state)):
        with pytest.raises(InputError, match="no state of x"):
            merge(the_plan, state[:cut], state)
    with pytest.raises(InputError, match="no state of x"):
        value_of(plan("string", ["min"], text_ids=True), state, "min")


def test_a_change_of_any_module_of_the_kernel_leaves_no_old_machine_code(tmp_path: Path) -> None:
    """Numba looks only at the module that a function is in: the directory is named by all of them."""
    for name in ("sums.py", "windows.py"):
        (tmp_path / name).write_text("x = 1\n")
    before = cache_directory(tmp_path, "")
    assert cache_directory(tmp_path, "/elsewhere") == before.replace(str(tmp_path / "__pycache__"), "/elsewhere")
    (tmp_path / "sums.py").write_text("x = 2\n")
    cache_directory.cache_clear()
    assert cache_directory(tmp_path, "") != before
