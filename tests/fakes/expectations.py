"""An `ExpectationRunner` in memory: the expectation types that tests use, value by value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from bighead_ci.documents.expectation import Expectation
from bighead_ci.documents.record import ExpectationResult
from bighead_ci.errors import InputError, Problem
from bighead_ci.words import closest

Arguments = Mapping[str, Any]


class MemoryExpectationRunner:
    """Checks expectations without Great Expectations, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, list[str]] = {}
        """Suite → the columns that its expectations named, in order."""

    def run(self, suite: str, expectations: Sequence[Expectation], data: pa.Table) -> list[ExpectationResult]:
        """Check each; refuse the suite if it names a type or an argument that there is not."""
        problems = [problem for one in expectations for problem in _problems(suite, one)]
        if problems:
            raise InputError(problems)
        self.asked[suite] = [column for one in expectations for column in one.columns.values()]
        return [_result(suite, one, data) for one in expectations]


@dataclass(frozen=True)
class _Check:
    """One expectation type."""

    arguments: frozenset[str]
    """Those it may take."""
    answer: Callable[[pa.Table, Arguments], tuple[bool, str, int | None]]
    """(holds, what was observed, unexpected values), from the data and the arguments."""


def _each_value(
    unexpected: Callable[[Any, Arguments], bool], *, nulls: bool = False
) -> Callable[[pa.Table, Arguments], tuple[bool, str, int | None]]:
    """A check of the values one by one; of nulls only where it is about them."""

    def answer(data: pa.Table, arguments: Arguments) -> tuple[bool, str, int | None]:
        values = data[arguments["column"]].to_pylist()
        looked_at = values if nulls else [value for value in values if value is not None]
        found = [value for value in looked_at if unexpected(value, arguments)]
        holds = not looked_at or 1 - len(found) / len(looked_at) >= arguments.get("mostly", 1.0)
        shown = f", such as {_shown(found[0])}" if found else ""
        return holds, f"{len(found)} of {len(looked_at)} unexpected{shown}", len(found)

    return answer


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _outside(value: Any, arguments: Arguments) -> bool:
    low, high = arguments.get("min_value"), arguments.get("max_value")
    return (low is not None and value < low) or (high is not None and value > high)


def _mean(data: pa.Table, arguments: Arguments) -> tuple[bool, str, int | None]:
    values = [value for value in data[arguments["column"]].to_pylist() if value is not None]
    mean = sum(values) / len(values)
    return not _outside(mean, arguments), f"{mean:g}", None


def _rows(data: pa.Table, arguments: Arguments) -> tuple[bool, str, int | None]:
    return not _outside(data.num_rows, arguments), str(data.num_rows), None


def _exists(data: pa.Table, arguments: Arguments) -> tuple[bool, str, int | None]:
    there = arguments["column"] in data.column_names
    return there, "there" if there else "not there", None


_BOUNDS = frozenset({"min_value", "max_value"})
_COLUMN, _EACH = frozenset({"column"}), frozenset({"column", "mostly"})
_CHECKS = {
    "expect_column_values_to_not_be_null": _Check(_EACH, _each_value(lambda value, _: value is None, nulls=True)),
    "expect_column_values_to_be_null": _Check(_EACH, _each_value(lambda value, _: value is not None, nulls=True)),
    "expect_column_values_to_be_between": _Check(_EACH | _BOUNDS, _each_value(_outside)),
    "expect_column_values_to_be_in_set": _Check(
        _EACH | {"value_set"}, _each_value(lambda value, arguments: value not in arguments["value_set"])
    ),
    "expect_column_mean_to_be_between": _Check(_COLUMN | _BOUNDS, _mean),
    "expect_column_to_exist": _Check(_COLUMN, _exists),
    "expect_table_row_count_to_be_between": _Check(_BOUNDS, _rows),
}


def _problems(suite: str, expectation: Expectation) -> list[Problem]:
    file, place, kind = f"{suite}/expectations.yaml", expectation.place, expectation.type
    if kind not in _CHECKS:
        message = "there is no such expectation type"
        meant = closest(kind, _CHECKS)
        return [Problem(file=file, subject=f"{place}.type", message=message, value=kind, suggestion=meant)]
    strange = expectation.arguments.keys() - _CHECKS[kind].arguments
    lacking = ({"column"} & _CHECKS[kind].arguments) - expectation.arguments.keys()
    return [
        Problem(file=file, subject=f"{place}.{name}", message=message)
        for names, message in ((strange, "there is no such argument"), (lacking, "is needed"))
        for name in sorted(names)
    ]


def _result(suite: str, expectation: Expectation, data: pa.Table) -> ExpectationResult:
    holds, observed, count = _answer(expectation, data)
    return ExpectationResult(
        suite=suite,
        type=expectation.type,
        column=expectation.arguments.get("column"),
        success=holds,
        observed=observed,
        expected=str(expectation.arguments),
        unexpected_count=count,
    )


def _answer(expectation: Expectation, data: pa.Table) -> tuple[bool, str, int | None]:
    check, arguments = _CHECKS[expectation.type], expectation.arguments
    missing = [column for column in expectation.columns.values() if column not in data.column_names]
    if missing and check.answer is not _exists:
        return False, f"column {missing[0]!r} does not exist", None
    try:
        return check.answer(data, arguments)
    except (TypeError, ZeroDivisionError) as error:
        return False, f"could not be checked: {error}", None
