"""A `DriftDetector` in memory: how far two empirical distributions lie apart, for every kind of column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bighead_ci.documents.record import ColumnDrift, DriftResult

STRICTNESS = 2.0
"""Kolmogorov's bound of the scaled distance; chance exceeds it once in 1,500."""


class MemoryDriftDetector:
    """The largest distance between the distribution functions, against what chance allows for that many rows."""

    def __init__(self) -> None:
        self.compared: list[tuple[str, str]] = []
        """Names of what was compared, in order."""

    def compare(
        self, reference: pa.Table, current: pa.Table, names: tuple[str, str], html: Path | None = None
    ) -> DriftResult:
        """Compare the columns both have, furthest first; the page is a list of them."""
        self.compared.append(names)
        both = [name for name in reference.column_names if name in current.column_names]
        found = [_column(name, reference[name], current[name]) for name in both if _is_comparable(reference, name)]
        whole = reference.num_rows > 0 and current.num_rows > 0
        columns = sorted(found, key=lambda one: (-one.score / one.threshold, one.column)) if whole else []
        if html is not None:
            _write_page(html, columns)
        return DriftResult(
            reference=names[0],
            current=names[1],
            reference_rows=reference.num_rows,
            current_rows=current.num_rows,
            columns=columns,
        )


def _is_comparable(table: pa.Table, name: str) -> bool:
    kind = table.schema.field(name).type
    return not (pa.types.is_nested(kind) or pa.types.is_temporal(kind))


def _column(name: str, reference: pa.ChunkedArray, current: pa.ChunkedArray) -> ColumnDrift:
    """The values that are there, or which are missing: whichever lies further apart."""
    ours, theirs = _values(reference), _values(current)
    missing = [[value is None for value in values] for values in (ours, theirs)]
    there = [[value for value in values if value is not None] for values in (ours, theirs)]
    return max(
        _distance(name, "difference of missing share", *missing),
        _distance(name, "Kolmogorov–Smirnov distance", *there),
        key=lambda one: one.score / one.threshold,
    )


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Values, None where there is none: NaN is no value either."""
    return [None if isinstance(one, float) and math.isnan(one) else one for one in column.to_pylist()]


def _distance(name: str, method: str, ours: Sequence[Any], theirs: Sequence[Any]) -> ColumnDrift:
    if not ours or not theirs:
        return ColumnDrift(column=name, method=method, score=0.0, threshold=1.0, drifted=False, chance=1.0)
    if not all(isinstance(one, bool | int | float) for one in (*ours, *theirs)):
        ours, theirs = [str(one) for one in ours], [str(one) for one in theirs]
    values = np.unique(np.array([*ours, *theirs]))
    below = [np.searchsorted(np.sort(np.array(side)), values, side="right") / len(side) for side in (ours, theirs)]
    score = float(np.abs(below[0] - below[1]).max())
    threshold = STRICTNESS * math.sqrt((len(ours) + len(theirs)) / (len(ours) * len(theirs)))
    chance = min(1.0, 2 * math.exp(-2 * (STRICTNESS * score / threshold) ** 2))
    drifted = score >= threshold
    return ColumnDrift(column=name, method=method, score=score, threshold=threshold, drifted=drifted, chance=chance)


def _write_page(page: Path, columns: Sequence[ColumnDrift]) -> None:
    page.unlink(missing_ok=True)
    if columns:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("".join(f"<p>{one.column}: {one.score:.3f}</p>" for one in columns))
