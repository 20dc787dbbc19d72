"""Rows on which a converted model is most likely to differ from its estimator, made from the estimator itself.

One input at a time takes: a missing value, text that no row had, categories that are rare or that only the estimator
knows, the threshold of every split with its neighbours in float32 and float64, whole numbers that float32 and float64
cannot hold, numbers beyond float32. All else of such a row is as in a row that was seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.transforms.columns import Columns
from bighead_ci.transforms.learned import categories_of, thresholds_of

MOST_ROWS = 20_000
"""Of a set; beyond it the rows are thinned evenly."""
MOST_THRESHOLDS = 250
"""Of one input, evenly spaced by rank."""
MOST_CATEGORIES = 200
"""Of one input, the rarest."""
BASES = 4
"""Rows that were seen, which the others are made from."""
FLOAT32 = float(np.finfo(np.float32).max)
_ANY = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-40, -1e-310, 1e-35, 2.0**24 + 1, 1e12 + 1, 1e20, -1e20)
_WIDE = (FLOAT32, 1e39, -1e39, 1e300, -1e300)
_WHOLE = (0, 1, -1, 2**24 + 1, 99_999_999, 1_099_511_627_777, 2**53 - 1, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63))


@dataclass(frozen=True)
class AdversarialRows:
    """The rows, and of each what is odd about it, in words."""

    columns: Columns
    about: Sequence[str]

    def at(self, rows: npt.NDArray[np.int64]) -> AdversarialRows:
        """Some of them."""
        return AdversarialRows(
            {name: values[rows] for name, values in self.columns.items()}, [self.about[row] for row in rows]
        )


def adversarial_rows(estimator: Any, inputs: Sequence[ArtifactInput], seen: Columns) -> list[AdversarialRows]:
    """The set of a fitted estimator: rows without missing numbers, and rows with some.

    They are apart because one missing number makes a column of whole numbers one of float64.

    Args:
        estimator: Its trees and encoders say which values to try.
        inputs: What it takes.
        seen: Rows that it was trained or judged on, at least one.
    """
    thresholds, categories = thresholds_of(estimator), categories_of(estimator)
    bases = np.unique(np.linspace(0, len(next(iter(seen.values()))) - 1, BASES).astype(np.int64))
    cells: list[tuple[int, str, Any, str]] = []
    for item in inputs:
        odd = list(_odd(item, seen[item.name], categories))
        near = list(_near(item, seen[item.name], thresholds))
        cells += [(int(base), item.name, value, about) for value, about in odd for base in bases]
        cells += [(int(bases[at % len(bases)]), item.name, value, about) for at, (value, about) in enumerate(near)]
    if len(cells) > MOST_ROWS:
        cells = [cells[at] for at in np.linspace(0, len(cells) - 1, MOST_ROWS).astype(np.int64)]
    whole = [cell for cell in cells if not _is_nan(cell[2])]
    holed = [cell for cell in cells if _is_nan(cell[2])]
    return [_made(whole, inputs, seen), _with_all_missing(_made(holed, inputs, seen), inputs)]


def _made(
    cells: Sequence[tuple[int, str, Any, str]], inputs: Sequence[ArtifactInput], seen: Columns
) -> AdversarialRows:
    return AdversarialRows(_filled(cells, inputs, seen), [f"{name} {about}" for _, name, _, about in cells])


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and np.isnan(value)


def _filled(cells: Sequence[tuple[int, str, Any, str]], inputs: Sequence[ArtifactInput], seen: Columns) -> Columns:
    chosen = np.array([base for base, _, _, _ in cells], dtype=np.int64)
    changed: Mapping[str, list[tuple[int, Any]]] = {item.name: [] for item in inputs}
    for row, (_, name, value, _) in enumerate(cells):
        changed[name].append((row, value))
    columns = {}
    for item in inputs:
        values = seen[item.name][chosen]
        if values.dtype.kind in "ib" and any(isinstance(value, float) for _, value in changed[item.name]):
            values = values.astype(np.float64)
        for row, value in changed[item.name]:
            values[row] = value
        columns[item.name] = values
    return columns


def _with_all_missing(rows: AdversarialRows, inputs: Sequence[ArtifactInput]) -> AdversarialRows:
    columns = {}
    for item in inputs:
        values = rows.columns[item.name]
        missing = np.full((1, *values.shape[1:]), "", dtype=object) if item.type == "string" else _nan(values)
        columns[item.name] = np.concatenate([values, missing])
    return AdversarialRows(columns, [*rows.about, "every input missing"])


def _nan(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.full((1, *values.shape[1:]), np.nan)


def _odd(item: ArtifactInput, column: npt.NDArray[Any], categories: Sequence[Any]) -> Iterator[tuple[Any, str]]:
    if item.type == "string":
        if item.size is None:
            yield "", "no text"
            yield from ((text, f"{text!r}, which no row had") for text in _unseen(column))
            yield from ((text, f"{text!r}") for text in _rare(column, categories))
        return
    yield np.nan, "missing"
    if item.size is not None or item.type == "bool":
        return
    numbers: Sequence[Any] = [*_ANY, *_WIDE]
    if item.type == "int64":
        # A column of whole numbers that had none missing is one of int64, and keeps what float64 would round.
        numbers = _WHOLE if column.dtype.kind == "i" else [float(number) for number in _WHOLE if abs(number) < 2**53]
    yield from ((number, f"{number}") for number in numbers)
    known = np.unique(column[~np.isnan(column)] if column.dtype.kind == "f" else column)
    if len(known):
        yield from ((value, f"{value}, next to what rows had") for value in (known[0] - 1, known[-1] + 1))
    yield from ((value, f"{value}") for value in known[:: max(1, len(known) // MOST_CATEGORIES)])


def _unseen(column: npt.NDArray[Any]) -> list[str]:
    held = set(column.tolist())
    text = "new value"
    while text in held:
        text += "_"
    return [one for one in (text, " ", "Ä\u2028") if one not in held]


def _rare(column: npt.NDArray[Any], categories: Sequence[Any]) -> list[str]:
    """The values that fewest rows had, and those that only the estimator's encoders know."""
    texts, counts = np.unique(column.astype(str), return_counts=True)
    ranked = [str(text) for text in texts[np.argsort(counts, kind="stable")] if text]
    known = sorted({one for one in categories if isinstance(one, str) and one} - set(ranked))
    return [*known[:MOST_CATEGORIES], *ranked[:MOST_CATEGORIES]]


def _near(
    item: ArtifactInput, column: npt.NDArray[Any], thresholds: npt.NDArray[np.float64]
) -> Iterator[tuple[Any, str]]:
    """Thresholds that lie where the input's values do, each with its neighbours on both sides."""
    if item.type in ("string", "bool") or item.size is not None or not len(column):
        return
    with np.errstate(invalid="ignore"):
        low, high = np.nanmin(column), np.nanmax(column)
    inside = thresholds[(thresholds >= low) & (thresholds <= high)]
    if len(inside) > MOST_THRESHOLDS:
        inside = inside[np.linspace(0, len(inside) - 1, MOST_THRESHOLDS).astype(np.int64)]
    for threshold in inside.tolist():
        for value in _neighbours(threshold, whole=item.type == "int64"):
            yield value, f"{value!r}, at the threshold {threshold!r}"


def _neighbours(threshold: float, *, whole: bool) -> list[Any]:
    if whole:
        return [int(np.floor(threshold)), int(np.floor(threshold)) + 1]
    narrow = np.float32(threshold)
    beside = [np.nextafter(narrow, np.float32(side)) for side in (-np.inf, np.inf)]
    exact = [np.nextafter(threshold, side) for side in (-np.inf, np.inf)]
    return sorted({threshold, float(narrow), *map(float, beside), *map(float, exact)})
