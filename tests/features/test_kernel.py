"""The kernel against brute force, on the times and values where implementations go wrong."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bighead_ci.documents.definition import ColumnType, Operation
from bighead_ci.features.batch import Events, compute
from bighead_ci.features.columns import ColumnPlan, Values
from bighead_ci.features.kernel.arrays import GREATEST
from bighead_ci.features.meaning import Feature
from bighead_ci.features.operations import output_type
from oracles.windows import Event, aggregate, visible

HOUR, DAY = 3_600_000_000, 86_400_000_000
MIDNIGHT = 1_380_585_600_000_000  # 2013-10-01T00:00:00Z
WINDOWS = ((HOUR, 300_000_000), (12 * HOUR, HOUR), (12 * DAY, DAY), (HOUR, 0), (7 * DAY, HOUR))
NUMBER_OPERATIONS: tuple[Operation, ...] = ("count", "sum", "mean", "min", "max", "variance", "first", "last")
STRING_OPERATIONS: tuple[Operation, ...] = ("count", "min", "max", "first", "last")


def plan(column_type: ColumnType, operations: tuple[Operation, ...]) -> ColumnPlan:
    features = [
        Feature(f"x_{operation}_{number}", "x", operation, window, hop, output_type(column_type, operation), None)
        for operation in operations
        for number, (window, hop) in enumerate(WINDOWS)
    ]
    return ColumnPlan("x", column_type, tuple(features))


moments = st.one_of(
    st.sampled_from([MIDNIGHT, MIDNIGHT + 1, MIDNIGHT - 1, MIDNIGHT + HOUR, 0, -1, 1, -DAY, 1_330_473_600_000_000]),
    st.integers(MIDNIGHT - 13 * DAY, MIDNIGHT + DAY),
)
integers = st.one_of(
    st.none(), st.integers(-3, 3), st.integers(-(2**31), 2**31), st.sampled_from([2**62, -(2**62), -(2**63)])
)
floats = st.one_of(
    st.none(),
    st.sampled_from(
        [0.0, -0.0, float("nan"), float("inf"), -float("inf"), 0.1, 1e16, -1e16, 1.0, 5e-324, 1e308, -1e308]
    ),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.floats(-1000, 1000),
    st.floats(allow_nan=False),
)
strings = st.one_of(st.none(), st.sampled_from(["", "a", "B", "é", "zz", "\U0001f600"]))


@st.composite
def histories(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> tuple[list[Event], list[tuple[Any, int]]]:
    queries = draw(st.lists(st.tuples(st.sampled_from(["k", "l", "unseen"]), moments), min_size=1, max_size=5))
    near = [
        moment + shift
        for _, moment in queries
        for window, hop in WINDOWS
        for edge in (0, -window, (moment - window) // hop * hop - moment if hop else -window)
        for shift in (edge - 1, edge, edge + 1)
    ]
    times = st.one_of(st.sampled_from(near), moments)
    knowing: st.SearchStrategy[Any] = st.one_of(st.none(), st.just("timely"), st.sampled_from(near), moments)
    count = draw(st.integers(0, 12))
    events = []
    for number in draw(st.permutations(range(count))):
        at, known = draw(times), draw(knowing)
        events.append(
            Event(draw(st.sampled_from(["k", "l"])), at, number, at if known == "timely" else known, draw(values))
        )
    return events, queries


def columns_of(events: list[Event], column_type: ColumnType) -> Values:
    raw = [event.value for event in events]
    valid = np.array([value is not None for value in raw], np.bool_)
    if column_type == "string":
        known = tuple(sorted({value for value in raw if value is not None}))
        codes = [known.index(value) if value is not None else 0 for value in raw]
        return Values(np.array(codes, np.int64), valid, known)
    numbers = [0 if value is None else value for value in raw]
    return Values(np.array(numbers, np.float64) if column_type == "float64" else np.array(numbers, np.int64), valid)


def run(the_plan: ColumnPlan, events: list[Event], queries: list[tuple[Any, int]]) -> dict[str, list[Any]]:
    names = sorted({event.key for event in events} | {key for key, _ in queries})
    ordered = sorted(events, key=lambda event: (event.key, event.timestamp, event.event_id))
    batch = Events(
        np.array([names.index(event.key) for event in ordered], np.int64),
        np.array([event.timestamp for event in ordered], np.int64),
        np.array([GREATEST if event.known is None else event.known for event in ordered], np.int64),
        {"x": columns_of(ordered, the_plan.column_type)},
    )
    groups = np.array([names.index(key) for key, _ in queries], np.int64)
    columns = compute([the_plan], batch, groups, np.array([moment for _, moment in queries], np.int64))
    return {name: column.to_list() for name, column in columns.items()}


def bits(value: Any) -> Any:
    return struct.pack("<d", value) if isinstance(value, float) else value


def expected(the_plan: ColumnPlan, events: list[Event], queries: list[tuple[Any, int]]) -> dict[str, list[Any]]:
    return {
        feature.name: [
            aggregate(feature.operation, visible(events, key, moment, feature.window, feature.hop))
            for key, moment in queries
        ]
        for feature in the_plan.features
    }


def same(left: dict[str, list[Any]], right: dict[str, list[Any]]) -> None:
    for name, values in right.items():
        assert [bits(value) for value in left[name]] == [bits(value) for value in values], name


@settings(max_examples=150, deadline=None)
@given(histories(floats))
def test_float_features_equal_brute_force_to_the_last_bit(
    history: tuple[list[Event], list[tuple[Any, int]]],
) -> None:
    """Every operation over floats equals the oracle's bytes, whatever the times and values."""
    the_plan = plan("float64", NUMBER_OPERATIONS)
    same(run(the_plan, *history), expected(the_plan, *history))


@settings(max_examples=150, deadline=None)
@given(histories(integers))
def test_integer_features_equal_brute_force_and_a_sum_beyond_int64_is_null(
    history: tuple[list[Event], list[tuple[Any, int]]],
) -> None:
    """Every operation over integers equals the oracle; a sum that int64 cannot hold is one value's trouble."""
    the_plan = plan("int64", NUMBER_OPERATIONS)
    same(run(the_plan, *history), held(expected(the_plan, *history)))


def held(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Null for what int64 cannot hold."""
    return {
        name: [None if isinstance(value, int) and not -(2**63) <= value < 2**63 else value for value in values]
        for name, values in columns.items()
    }


@settings(max_examples=80, deadline=None)
@given(histories(strings))
def test_string_features_equal_brute_force(history: tuple[list[Event], list[tuple[Any, int]]]) -> None:
    """Strings order by code point, and first and last follow the total order."""
    the_plan = plan("string", STRING_OPERATIONS)
    same(run(the_plan, *history), expected(the_plan, *history))


def test_events_outside_the_window_or_not_yet_known_change_nothing() -> None:
    """Adding events at q, before the left end, or known at q leaves every feature as it was."""
    the_plan = plan("float64", NUMBER_OPERATIONS)
    inside = [Event("k", MIDNIGHT - HOUR, 1, MIDNIGHT - HOUR, 0.1), Event("k", MIDNIGHT - 1, 2, MIDNIGHT - 1, 0.7)]
    outside = [
        Event("k", MIDNIGHT, 3, MIDNIGHT, 9.0),
        Event("k", MIDNIGHT - 13 * DAY - 1, 4, 0, 9.0),
        Event("k", MIDNIGHT - 5, 5, MIDNIGHT, 9.0),
        Event("k", MIDNIGHT - 5, 6, None, 9.0),
        Event("l", MIDNIGHT - 5, 7, MIDNIGHT - 5, 9.0),
    ]
    queries = [("k", MIDNIGHT)]
    same(run(the_plan, inside + outside, queries), run(the_plan, inside, queries))


def test_a_long_history_with_late_knowledge_equals_brute_force() -> None:
    """Hundreds of events a key, a third of them known late: equal to the oracle."""
    random = np.random.default_rng(7)
    events = [
        Event("kl"[number % 2], int(at), number, int(at + (random.integers(0, DAY) if number % 3 == 0 else 0)), value)
        for number, (at, value) in enumerate(
            zip(
                random.integers(MIDNIGHT - 9 * DAY, MIDNIGHT, 600),
                (random.random(600) * 90).round(2).tolist(),
                strict=True,
            )
        )
    ]
    queries: list[tuple[Any, int]] = [("kl"[n % 2], MIDNIGHT - n * 7 * HOUR - n) for n in range(24)]
    the_plan = plan("float64", NUMBER_OPERATIONS)
    same(run(the_plan, events, queries), expected(the_plan, events, queries))


def test_a_mean_among_the_subnormals_is_rounded_once() -> None:
    """Rounding first to 53 bits and then to the subnormal grid would round a third up."""
    grid = 5e-324
    events = [Event("k", number, number, number, (2**51 + 1 + (number == 0)) * grid) for number in range(3)]
    the_plan = plan("float64", ("mean", "sum"))
    queries: list[tuple[Any, int]] = [("k", 3)]
    same(run(the_plan, events, queries), expected(the_plan, events, queries))


def test_an_overflowing_result_is_null_whatever_the_default() -> None:
    """The default stands in for an empty window only, and never for a count."""
    operations: tuple[Operation, ...] = ("count", "sum", "last")
    features = tuple(Feature(o, "x", o, HOUR, 0, output_type("float64", o), 7.0) for o in operations)
    the_plan = ColumnPlan("x", "float64", features)
    events = [Event("k", MIDNIGHT - number, number, 0, 1e308) for number in (1, 2)]
    found = run(the_plan, events, [("k", MIDNIGHT), ("unseen", MIDNIGHT)])
    assert found == {"count": [2, 0], "sum": [None, 7.0], "last": [1e308, 7.0]}


def test_a_window_that_begins_before_int64_does_not_wrap_around() -> None:
    """At the least times there are, a window reaches as far back as there is time."""
    least = -(2**63)
    events = [Event("k", least + number, number, least, float(number)) for number in range(3)]
    the_plan = plan("float64", ("count",))
    queries: list[tuple[Any, int]] = [("k", least + number) for number in range(5)]
    same(run(the_plan, events, queries), expected(the_plan, events, queries))


def test_a_window_moves_on_across_more_than_int64_reaches() -> None:
    """A query long after one near the least moment has the left end of its own window."""
    times = [-(2**63) + 5, 0, 2**62, 2**63 - 10]
    events = [Event("k", at, number, at, number) for number, at in enumerate(times)]
    queries: list[tuple[Any, int]] = [("k", -(2**63) + 7), ("k", 2**62 + 1), ("k", 2**63 - 5)]
    the_plan = plan("int64", ("count", "sum", "last"))
    same(run(the_plan, events, queries), expected(the_plan, events, queries))


def test_moments_further_apart_than_int64_reaches_are_in_order() -> None:
    """The first and the last there are, of one key."""
    the_plan = plan("int64", ("count", "last"))
    events = [Event("k", at, number, at, number) for number, at in enumerate([-(2**63) + 1, 0, 2**63 - 2])]
    queries: list[tuple[Any, int]] = [("k", at + 1) for at in (-(2**63) + 1, 0, 2**63 - 2)]
    same(run(the_plan, events, queries), expected(the_plan, events, queries))


def test_a_sum_that_nobody_defined_is_never_refused() -> None:
    """Operations and windows of one column share a pass; only a feature's own operation over its own window counts."""
    features = (
        Feature("x_sum_1h", "x", "sum", HOUR, 0, "int64", None),
        Feature("x_count_6h", "x", "count", 6 * HOUR, 0, "int64", None),
    )
    events = [Event("k", MIDNIGHT - hours * HOUR, hours, 0, 2**62) for hours in (1, 3, 5)]
    found = run(ColumnPlan("x", "int64", features), events, [("k", MIDNIGHT)])
    assert found == {"x_sum_1h": [2**62], "x_count_6h": [3]}
