"""Rows on which a converted model is most likely to differ from its estimator, made from the estimator itself.

One input at a time takes: a missing value, text that no row had, categories that are rare or that only the estimator
knows, the threshold of every split with its neighbours in float32 and float64, both sides of jumps of the score
wherever they come from, whole numbers that float32 and float64 cannot hold, numbers beyond float32, infinity. Of a
list, each position takes odd numbers, and all positions at once. All else of such a row is as in a row that was seen.
Some more rows take two or three such values at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.transforms.columns import Columns, row_count
from bighead_ci.transforms.jumps import jumps
from bighead_ci.transforms.learned import categories_of, thresholds_of

MOST_ROWS = 20_000
"""Of a set; beyond it the rows are thinned evenly."""
MOST_THRESHOLDS = 250
"""Of one input, evenly spaced by rank."""
MOST_CATEGORIES = 200
"""Of one input, the rarest."""
MOST_POSITIONS = 16
"""Of one list, evenly spaced."""
TOGETHER = 1_000
"""Rows in which several inputs are odd at once, drawn among those in which one is."""
BASES = 4
"""Rows that were seen, which the others are made from."""
FLOAT32 = float(np.finfo(np.float32).max)
_INFINITE = (float("inf"), float("-inf"))
_ANY = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-40, -1e-310, 1e-35, 2.0**24 + 1, 1e12 + 1, 1e20, -1e20)
_WIDE = (FLOAT32, 1e39, -1e39, 1e300, -1e300, *_INFINITE)
_WHOLE = (0, 1, -1, 2**24 + 1, 99_999_999, 1_099_511_627_777, 2**53 - 1, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63))
_IN_LISTS = (0.0, -1.0, 1e-40, 2.0**24 + 1, 1e20, -1e20, FLOAT32, -1e39, float("nan"), *_INFINITE)


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


@dataclass(frozen=True)
class _Cell:
    """A value that one input of a row takes."""

    base: int
    """The row that was seen."""
    input: str
    value: Any
    about: str
    position: int | None = None
    """In a list; None: all of it."""

    @property
    def missing(self) -> bool:
        return isinstance(self.value, float) and np.isnan(self.value)


_Row = tuple[_Cell, ...]
"""A row by what is odd about it; all else is of the first cell's row."""
_FEWEST_TOGETHER = 2
Odd = tuple[Any, str, int | None]
"""A value, what is odd about it, its position in a list."""


def adversarial_rows(
    estimator: Any,
    scores: Callable[[Columns], npt.NDArray[np.float64]],
    inputs: Sequence[ArtifactInput],
    seen: Columns,
) -> list[AdversarialRows]:
    """The set of a fitted estimator: rows without missing numbers, and rows with some.

    They are apart because one missing number makes a column of whole numbers one of float64.

    Args:
        estimator: Its trees and encoders say which values to try.
        scores: What it gives rows; asked where its score jumps.
        inputs: What it takes.
        seen: Rows that it was trained or judged on, at least one.
    """
    thresholds, categories = thresholds_of(estimator), categories_of(estimator)
    bases = np.unique(np.linspace(0, row_count(seen) - 1, BASES).astype(np.int64)).tolist()
    odd = {
        item.name: [
            _Cell(base, item.name, *found) for found in _odd(item, seen[item.name], categories) for base in bases
        ]
        for item in inputs
    }
    cells = [cell for several in odd.values() for cell in several]
    for item in inputs:
        near = _near(item, seen[item.name], thresholds)
        cells += [_Cell(bases[at % len(bases)], item.name, *found) for at, found in enumerate(near)]
    for jump in jumps(scores, inputs, seen, bases):
        cells += [_Cell(jump.base, jump.input, side, f"{side!r}, where the score jumps") for side in jump.sides]
    rows = [(cell,) for cell in cells] + _together(odd)
    if len(rows) > MOST_ROWS:
        rows = [rows[at] for at in np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.int64)]
    holed = [row for row in rows if any(cell.missing for cell in row)]
    whole = [row for row in rows if not any(cell.missing for cell in row)]
    return [_made(whole, inputs, seen), _with_all_missing(_made(holed, inputs, seen), inputs)]


def _together(odd: Mapping[str, Sequence[_Cell]]) -> list[_Row]:
    """Overflows and ties of several inputs, which none has by itself."""
    names = [name for name, cells in odd.items() if cells]
    if len(names) < _FEWEST_TOGETHER:
        return []
    draw = random.Random(0)  # noqa: S311 - not for secrets: the same rows each time
    rows = []
    for _ in range(TOGETHER):
        chosen = draw.sample(names, min(len(names), draw.choice((_FEWEST_TOGETHER, _FEWEST_TOGETHER + 1))))
        rows.append(tuple(draw.choice(odd[name]) for name in chosen))
    return rows


def _made(rows: Sequence[_Row], inputs: Sequence[ArtifactInput], seen: Columns) -> AdversarialRows:
    chosen = np.array([cells[0].base for cells in rows], dtype=np.int64)
    columns = {}
    for item in inputs:
        changed = [(row, cell) for row, cells in enumerate(rows) for cell in cells if cell.input == item.name]
        values = seen[item.name][chosen]
        if values.dtype.kind in "ib" and any(isinstance(cell.value, float) for _, cell in changed):
            values = values.astype(np.float64)
        for row, cell in changed:
            values[row if cell.position is None else (row, cell.position)] = cell.value
        columns[item.name] = values
    return AdversarialRows(columns, [" and ".join(f"{cell.input} {cell.about}" for cell in cells) for cells in rows])


def _with_all_missing(rows: AdversarialRows, inputs: Sequence[ArtifactInput]) -> AdversarialRows:
    columns = {}
    for item in inputs:
        values = rows.columns[item.name]
        shape = (1, *values.shape[1:])
        missing = np.full(shape, "", dtype=object) if item.type == "string" else np.full(shape, np.nan)
        columns[item.name] = np.concatenate([values, missing])
    return AdversarialRows(columns, [*rows.about, "every input missing"])


def _odd(item: ArtifactInput, column: npt.NDArray[Any], categories: Sequence[Any]) -> Iterator[Odd]:
    if item.size is not None:
        yield from _odd_in_list(item, item.size)
    elif item.type == "string":
        yield "", "no text", None
        yield from ((text, f"{text!r}, which no row had", None) for text in _unseen(column))
        yield from ((text, f"{text!r}", None) for text in _rare(column, categories))
    else:
        yield np.nan, "missing", None
        if item.type != "bool":
            yield from ((number, f"{number}", None) for number in _numbers(item, column, categories))


def _odd_in_list(item: ArtifactInput, size: int) -> Iterator[Odd]:
    values: Sequence[Any] = ("", "new value") if item.type == "string" else _IN_LISTS
    places = np.unique(np.linspace(0, size - 1, MOST_POSITIONS).astype(np.int64)).tolist() if size else []
    for value in values:
        yield value, f"with {value!r} in every position", None
        yield from ((value, f"with {value!r} in position {place}", place) for place in places)


def _numbers(item: ArtifactInput, column: npt.NDArray[Any], categories: Sequence[Any]) -> Iterator[Any]:
    whole = item.type == "int64"
    held = column.dtype.kind == "i"
    # A column of whole numbers that had none missing is one of int64, and keeps what float64 would round.
    kind = int if held else float
    if whole:
        yield from (kind(number) for number in _WHOLE if held or abs(number) < 2**53)
    else:
        yield from (*_ANY, *_WIDE)
    encoded = {one for one in categories if isinstance(one, int | float | np.number) and np.isfinite(one)}
    yield from sorted({kind(one) for one in encoded if not whole or one == int(one)})[:MOST_CATEGORIES]
    known = np.unique(column[np.isfinite(column)]).tolist()
    if known:
        yield from (known[0] - 1, known[-1] + 1)
    yield from known[:: max(1, len(known) // MOST_CATEGORIES)]


def _unseen(column: npt.NDArray[Any]) -> list[str]:
    """Words of no row, and what a row had, written otherwise."""
    held = set(column.tolist())
    text = "new value"
    while text in held:
        text += "_"
    common = next(reversed(_ranked(column)), "")
    variants = [common.swapcase(), f" {common}", f"{common} ", f"{common}É", f"{common}-{common}"] if common else []
    return [one for one in (text, " ", "Ä\u2028", *variants) if one not in held]


def _rare(column: npt.NDArray[Any], categories: Sequence[Any]) -> list[str]:
    """The values that fewest rows had, and those that only the estimator's encoders know."""
    ranked = _ranked(column)
    known = sorted({one for one in categories if isinstance(one, str) and one} - set(ranked))
    return [*known[:MOST_CATEGORIES], *ranked[:MOST_CATEGORIES]]


def _ranked(column: npt.NDArray[Any]) -> list[str]:
    """Texts that rows had, those of the fewest first."""
    texts, counts = np.unique(column.astype(str), return_counts=True)
    return [str(text) for text in texts[np.argsort(counts, kind="stable")] if text]


def _near(
    item: ArtifactInput, column: npt.NDArray[Any], thresholds: npt.NDArray[np.float64]
) -> Iterator[tuple[Any, str]]:
    """Thresholds that lie where the input's values do, each with its neighbours on both sides."""
    finite = column[np.isfinite(column)] if item.type in ("int64", "float64") else column[:0]
    if item.size is not None or not len(finite):
        return
    inside = thresholds[(thresholds >= finite.min()) & (thresholds <= finite.max())]
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
