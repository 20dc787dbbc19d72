"""From a column's values to mergeable states, and from merged states to feature values rounded once.

Decided for floats: NaN and the infinities count as null, and a result beyond float64 is null; -0.0 is read as 0.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.definition import ColumnType, Operation
from bighead_ci.errors import InputError
from bighead_ci.features import kernel
from bighead_ci.features.kernel import F64, I64, U8, U64
from bighead_ci.features.meaning import Feature

Bools = npt.NDArray[np.bool_]
_SUMMED = frozenset({"sum", "mean", "variance"})


@dataclass(frozen=True)
class Values:
    """A column of events: numbers (int64 or float64), or positions in a sorted list of strings."""

    data: I64 | F64
    valid: Bools
    strings: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Column:
    """A column of results. Where `valid` is false the value means nothing."""

    data: I64 | F64
    valid: Bools
    strings: tuple[str, ...] | None = None

    def to_list(self) -> list[Any]:
        """Python scalars; None for null."""
        values = self.data.tolist()
        if self.strings is not None:
            strings = self.strings
            return [strings[value] if ok else None for value, ok in zip(values, self.valid.tolist(), strict=True)]
        return [value if ok else None for value, ok in zip(values, self.valid.tolist(), strict=True)]


@dataclass(frozen=True)
class ColumnPlan:
    """All features of one set that read the same column: they share events, fields and windows."""

    column: str
    column_type: ColumnType
    features: tuple[Feature, ...]

    @cached_property
    def operations(self) -> frozenset[Operation]:
        """Operations that are asked for."""
        return frozenset(feature.operation for feature in self.features)

    @cached_property
    def window_pairs(self) -> tuple[tuple[int, int], ...]:
        """Distinct (window, hop) in microseconds, shortest window first."""
        return tuple(sorted({(feature.window, feature.hop) for feature in self.features}))

    @cached_property
    def windows(self) -> I64:
        """Lengths of the distinct windows."""
        return np.array([window for window, _ in self.window_pairs], np.int64)

    @cached_property
    def hops(self) -> I64:
        """Hop of each distinct window."""
        return np.array([hop for _, hop in self.window_pairs], np.int64)

    @cached_property
    def tier_hops(self) -> tuple[int, ...]:
        """Distinct hops, ascending."""
        return tuple(sorted({hop for _, hop in self.window_pairs}))

    @cached_property
    def tiers(self) -> I64:
        """Position in `tier_hops` of each distinct window."""
        return np.array([self.tier_hops.index(hop) for _, hop in self.window_pairs], np.int64)

    def window_of(self, feature: Feature) -> int:
        """Position of a feature's window among the distinct ones."""
        return self.window_pairs.index((feature.window, feature.hop))


def plans_of(features: Iterable[Feature], types: dict[str, ColumnType]) -> list[ColumnPlan]:
    """Group features by the column they read."""
    by_column: dict[str, list[Feature]] = {}
    for feature in features:
        by_column.setdefault(feature.column, []).append(feature)
    return [ColumnPlan(column, types[column], tuple(members)) for column, members in by_column.items()]


@dataclass(frozen=True)
class Layout:
    """Which int64 fields a state has. Different digits for the same column give the same results."""

    operations_asked: frozenset[Operation]
    exponent: int = 0
    """Sums are digits * 2**exponent, sums of squares digits * 2**(2 * exponent)."""
    sum_digits: int = 0
    square_digits: int = 0

    @cached_property
    def positions(self) -> dict[str, int]:
        """Field where each part begins; the count is field 0."""
        positions = {"count": 0, "sum": 1, "square": 1 + self.sum_digits}
        following = 1 + self.sum_digits + self.square_digits
        for part, width in (("min", 1), ("max", 1), ("first", 2), ("last", 2)):
            if part in self.operations_asked:
                positions[part] = following
                following += width
        positions["end"] = following
        return positions

    @cached_property
    def operations(self) -> U8:
        """How each field merges, for the kernel."""
        merges = np.full(self.positions["end"], kernel.ADD, np.uint8)
        for part, operation in (("min", kernel.MIN), ("max", kernel.MAX)):
            if part in self.positions:
                merges[self.positions[part]] = operation
        for part, operation in (("first", kernel.FIRST), ("last", kernel.LAST)):
            if part in self.positions:
                merges[self.positions[part] : self.positions[part] + 2] = operation, kernel.CARRIED
        return merges


def encode(plan: ColumnPlan, values: Values, ranks: I64) -> tuple[Layout, I64, Bools]:
    """The state of each event alone.

    Args:
        plan: what is asked of the column.
        values: of the events.
        ranks: of the events in their key's total order (timestamp, event id).

    Returns:
        The layout, chosen by the range of these values; states [event, field]; whether each event counts.
    """
    present = values.valid & np.isfinite(values.data) if values.data.dtype == np.float64 else values.valid
    sums = _Sums.of(plan, values, present)
    layout = Layout(plan.operations, sums.exponent, sums.sum_digits, sums.square_digits)
    at = layout.positions
    leaves = np.zeros((present.size, at["end"]), np.int64)
    leaves[:, 0] = present
    sums.write(leaves[:, at["sum"] : at["square"]], present, squared=False)
    sums.write(leaves[:, at["square"] : at["square"] + sums.square_digits], present, squared=True)
    keys = _ordered(values.data) if plan.operations & {"min", "max", "first", "last"} else values.data
    for part in ("min", "max"):
        if part in at:
            leaves[:, at[part]] = keys
    for part in ("first", "last"):
        if part in at:
            leaves[:, at[part]] = ranks
            leaves[:, at[part] + 1] = keys
    return layout, leaves, present


@dataclass(frozen=True)
class _Sums:
    magnitudes: U64
    negative: Bools
    shifts: I64
    exponent: int
    sum_digits: int
    square_digits: int

    @classmethod
    def of(cls, plan: ColumnPlan, values: Values, present: Bools) -> _Sums:
        """How many digits the sum of these values, and of their squares, can need."""
        if not plan.operations & _SUMMED:
            empty = np.zeros(0, np.uint64)
            return cls(empty, np.zeros(0, np.bool_), np.zeros(0, np.int64), 0, 0, 0)
        magnitudes, shifts = _integers(values.data, present)
        counts = present & (magnitudes != 0)
        exponent = int(shifts[counts].min()) if counts.any() else 0
        shifts = np.where(counts, shifts - exponent, 0)
        lengths = np.frexp(magnitudes.astype(np.float64))[1] + shifts
        longest = int(lengths[counts].max()) if counts.any() else 0
        events = int(present.size).bit_length()
        squared = 2 * longest if "variance" in plan.operations else 0
        square_digits = _digits(squared, events) if "variance" in plan.operations else 0
        return cls(magnitudes, values.data < 0, shifts, exponent, _digits(longest, events), square_digits)

    def write(self, out: I64, present: Bools, *, squared: bool) -> None:
        if out.shape[1]:
            digits = np.empty(out.shape, np.int64)
            kernel.spread(self.magnitudes, self.negative, self.shifts, present, squared, digits)
            out[:] = digits


def _digits(bits: int, events: int) -> int:
    # One digit may fill 62 bits; several are of 32 bits each and leave 31 for the number of events.
    return 1 if bits + events <= 62 else -(-bits // 32)  # noqa: PLR2004 - explained above


def _integers(data: I64 | F64, present: Bools) -> tuple[U64, I64]:
    """Values as odd-or-zero-bit-stripped integers times a power of two."""
    if data.dtype == np.int64:
        # abs(-2**63) wraps to itself, which read as unsigned is right.
        return np.abs(data).astype(np.uint64), np.zeros(data.size, np.int64)
    fractions, exponents = np.frexp(np.where(present, data, 0.0))
    mantissas = np.abs(np.ldexp(fractions, 53)).astype(np.int64)
    lowest = mantissas & -mantissas
    zeros = np.where(mantissas == 0, 0, np.frexp(lowest.astype(np.float64))[1] - 1)
    return (mantissas >> zeros).astype(np.uint64), exponents.astype(np.int64) - 53 + zeros


def _ordered(data: I64 | F64) -> I64:
    """Integers that order as the values do."""
    if data.dtype == np.int64:
        return cast(I64, data)
    bits = (data + 0.0).view(np.int64)
    return np.where(bits < 0, bits ^ np.int64(kernel.GREATEST), bits)


def _unordered(keys: I64, *, floats: bool) -> I64 | F64:
    if not floats:
        return keys
    return np.ascontiguousarray(np.where(keys < 0, keys ^ np.int64(kernel.GREATEST), keys)).view(np.float64)


def finalize(
    plan: ColumnPlan,
    layout: Layout,
    states: I64,
    features: Sequence[Feature],
    strings: tuple[str, ...] | None = None,
) -> list[tuple[Feature, Column]]:
    """Feature values from merged states.

    Args:
        plan: what is asked of the column.
        layout: of the states.
        states: [query, window, field], windows as in the plan.
        features: which of the plan's features; what others would give cannot matter.
        strings: what the numbers of a string column stand for.

    Raises:
        InputError: a feature's sum of integers does not fit int64.
    """
    columns = []
    for feature in features:
        window = plan.window_of(feature)
        own = states[:, window]
        data, valid = _result(plan, layout, feature, own, np.ascontiguousarray(own[:, 0]))
        if feature.default is not None and feature.operation != "count":
            # Only in an empty window: a result beyond float64 is null, whatever the default.
            empty = states[:, window, 0] == 0
            data, valid = np.where(empty, data.dtype.type(feature.default), data), valid | empty
        columns.append((feature, Column(data, valid, strings if feature.type == "string" else None)))
    return columns


def _result(plan: ColumnPlan, layout: Layout, feature: Feature, states: I64, counts: I64) -> tuple[I64 | F64, Bools]:
    at, operation = layout.positions, feature.operation
    some = counts > 0
    if operation == "count":
        return counts, np.ones_like(some)
    if operation in _SUMMED:
        digits = np.ascontiguousarray(states[:, at["sum"] : at["square"]])
        return _summed(plan, layout, feature, digits, states, counts)
    field = at[operation] + (operation in ("first", "last"))
    keys = np.where(some, states[:, field], 0)
    return _unordered(keys, floats=plan.column_type == "float64"), some


def _summed(
    plan: ColumnPlan, layout: Layout, feature: Feature, digits: I64, states: I64, counts: I64
) -> tuple[I64 | F64, Bools]:
    some, operation = counts > 0, feature.operation
    if operation == "sum" and plan.column_type != "float64":
        totals = np.zeros(counts.size, np.int64)
        if kernel.fits_int64(digits, totals) >= 0:
            raise InputError(
                f"{feature.name}: a window's sum of {plan.column} does not fit int64; declare the column float64"
            )
        return totals, some
    out = np.zeros(counts.size, np.float64)
    if operation == "sum":
        kernel.rounded_sums(digits, layout.exponent, out)
    elif operation == "mean":
        kernel.rounded_means(digits, layout.exponent, counts, out)
    else:
        square = layout.positions["square"]
        _variances(digits, states[:, square : square + layout.square_digits], layout.exponent, counts, out)
    return out, some & np.isfinite(out)


def _variances(sums: I64, squares: I64, exponent: int, counts: I64, out: F64) -> None:
    """Population variance, (n * sum of squares - sum**2) / n**2, correctly rounded."""
    rows = counts > 0
    if sums.shape[1] == 1 and squares.shape[1] == 1 and exponent > -400:  # noqa: PLR2004 - far from the subnormals
        small = rows & (np.abs(sums[:, 0]) < 2**26) & (counts < 2**26) & (squares[:, 0] < 2**26)
        numerators = counts[small] * squares[small, 0] - sums[small, 0] ** 2
        out[small] = np.ldexp(numerators / (counts[small] ** 2), 2 * exponent)
        rows &= ~small
    for row in np.flatnonzero(rows).tolist():
        out[row] = _exact_variance(
            _total(sums[row].tolist()), _total(squares[row].tolist()), exponent, int(counts[row])
        )


def _exact_variance(total: int, squares: int, exponent: int, count: int) -> float:
    numerator = count * squares - total * total
    denominator = count * count
    try:
        if exponent < 0:
            return numerator / (denominator << (-2 * exponent))
        return (numerator << (2 * exponent)) / denominator
    except OverflowError:
        return float("inf")


def _total(digits: Sequence[int]) -> int:
    return sum(digit << (32 * position) for position, digit in enumerate(digits))
