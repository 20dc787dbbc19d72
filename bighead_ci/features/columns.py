"""Columns of events and of results, and what is asked of a column.

Decided: a result that its type cannot hold (a sum of integers beyond int64, anything beyond float64) is null, and
counted. Of floats, NaN and the infinities count as null, and -0.0 is read as 0.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bighead_ci.documents.definition import ColumnType, Operation, SourceDefinition
from bighead_ci.features.kernel import arrays, states
from bighead_ci.features.kernel.arrays import F64, I64, U8, U32, Bools
from bighead_ci.features.meaning import Feature

CODES: dict[Operation, int] = {
    "count": arrays.COUNT,
    "sum": arrays.SUM,
    "mean": arrays.MEAN,
    "variance": arrays.VARIANCE,
    "min": arrays.MIN,
    "max": arrays.MAX,
    "first": arrays.FIRST,
    "last": arrays.LAST,
}
"""Operations as the kernel knows them."""


@dataclass(frozen=True)
class Values:
    """A column of events: numbers (int64 or float64), or positions in a sorted list of strings."""

    data: I64 | F64
    valid: Bools
    strings: tuple[str, ...] | None = None

    @cached_property
    def present(self) -> Bools:
        """Which count."""
        return self.valid & np.isfinite(self.data) if self.data.dtype == np.float64 else self.valid

    @cached_property
    def raw(self) -> I64:
        """The values' bits."""
        data: Any = self.data
        raw: I64 = np.ascontiguousarray(data + 0.0).view(np.int64) if data.dtype == np.float64 else data
        return raw

    @cached_property
    def texts(self) -> tuple[U32, I64]:
        """The strings as states hold them, one behind the other, and where each begins."""
        packed, starts, used = [], [], 0
        for string in self.strings or ():
            text = string.encode()
            words = len(text).to_bytes(4, "little") + text + bytes(-len(text) % 4)
            packed.append(words)
            starts.append(used)
            used += len(words) // 4
        return np.frombuffer(b"".join(packed), "<u4"), np.array(starts, np.int64)

    @property
    def longest(self) -> int:
        """Words of its longest value in a state."""
        words, starts = self.texts
        return 2 if self.strings is None else int(np.diff(np.append(starts, words.size)).max(initial=2))


@dataclass(frozen=True)
class Column:
    """A column of results. Where `valid` is false the value means nothing."""

    data: I64 | F64
    valid: Bools
    strings: tuple[str, ...] | None = None
    beyond: int = 0
    """How many are null because the type cannot hold the result."""

    def to_list(self) -> list[Any]:
        """Python scalars; None for null."""
        values = self.data.tolist()
        if self.strings is not None:
            strings = self.strings
            return [strings[value] if ok else None for value, ok in zip(values, self.valid.tolist(), strict=True)]
        return [value if ok else None for value, ok in zip(values, self.valid.tolist(), strict=True)]


@dataclass(frozen=True)
class ColumnPlan:
    """All features of one set that read the same column: they share events and windows."""

    column: str
    column_type: ColumnType
    features: tuple[Feature, ...]
    text_ids: bool = False
    """Whether the source's event ids are strings."""

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

    @cached_property
    def floats(self) -> bool:
        """Whether its values are float64."""
        return self.column_type == "float64"

    @cached_property
    def shape(self) -> U8:
        """Which parts its states have, for the kernel."""
        asked = {feature.operation for feature in self.features}
        flags = {
            states.HAS_SUM: bool(asked & {"sum", "mean", "variance"}),
            states.HAS_SQUARES: "variance" in asked,
            states.HAS_MIN: "min" in asked,
            states.HAS_MAX: "max" in asked,
            states.HAS_FIRST: "first" in asked,
            states.HAS_LAST: "last" in asked,
            states.TEXT_VALUES: self.column_type == "string",
            states.TEXT_IDS: self.text_ids,
        }
        return np.array([flags[flag] for flag in sorted(flags)], np.uint8)

    def slots(self, features: Iterable[Feature]) -> tuple[U8, I64]:
        """Operation and window of some of its features, for the kernel."""
        chosen = list(features)
        windows = [self.window_pairs.index((feature.window, feature.hop)) for feature in chosen]
        return np.array([CODES[feature.operation] for feature in chosen], np.uint8), np.array(windows, np.int64)


def plans_of(features: Iterable[Feature], source: SourceDefinition) -> list[ColumnPlan]:
    """Group features by the column they read."""
    by_column: dict[str, list[Feature]] = {}
    for feature in features:
        by_column.setdefault(feature.column, []).append(feature)
    text_ids = source.columns.get(source.event_id) == "string"
    return [
        ColumnPlan(column, source.columns[column], tuple(members), text_ids) for column, members in by_column.items()
    ]
