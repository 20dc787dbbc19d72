"""Where a score jumps as one input grows: splits of trees behind scalers, edges of bins, ties of neighbours.

They are sought in the scores alone, so that no step of a pipeline need be understood. Between two values that rows
had, the half with the greater change is halved until its ends are neighbours; where the score only slopes, the change
dies out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.scorers.deviation import deviation
from bighead_ci.transforms.columns import Columns
from bighead_ci.transforms.float_order import halfway

Floats = npt.NDArray[np.float64]
MOST_PROBES = 48
"""Values of one input between which jumps are sought, evenly spaced by rank."""
SMALLEST = 1e-5
"""A change of the score that matters."""
HALVINGS = 64


@dataclass(frozen=True)
class Jump:
    """Two neighbouring values of an input, with different scores."""

    base: int
    """The row that it is in."""
    input: str
    sides: tuple[Any, Any]


def jumps(
    scores: Callable[[Columns], Floats], inputs: Sequence[ArtifactInput], seen: Columns, bases: Sequence[int]
) -> list[Jump]:
    """Some of them, in numbers that are no lists.

    Args:
        scores: The estimator's; where it raises on a value, that input is left out.
        inputs: What it takes.
        seen: Rows that it was trained or judged on.
        bases: The rows of these in which one input is changed.
    """
    pairs = [_Pairs.of(item.name, seen[item.name], bases) for item in inputs if _is_number(item)]
    chosen = [one for one in pairs if len(one.low) and _takes(scores, seen, one)]
    if not chosen:
        return []
    search = _Search(scores, seen, chosen)
    return search.found() if search.run() else []


@dataclass
class _Pairs:
    """Of one input: rows, and the values between which a jump is sought."""

    name: str
    base: npt.NDArray[np.int64]
    low: npt.NDArray[Any]
    high: npt.NDArray[Any]

    @classmethod
    def of(cls, name: str, column: npt.NDArray[Any], bases: Sequence[int]) -> _Pairs:
        known = np.unique(column[np.isfinite(column)])
        if len(known) > MOST_PROBES:
            known = known[np.linspace(0, len(known) - 1, MOST_PROBES).astype(np.int64)]
        count = max(0, len(known) - 1)
        return cls(name, np.resize(np.array(bases, dtype=np.int64), count), known[:-1].copy(), known[1:].copy())

    def rows(self, seen: Columns, values: npt.NDArray[Any]) -> Columns:
        return {name: column[self.base] for name, column in seen.items()} | {self.name: values}

    def keep(self, some: npt.NDArray[np.bool_]) -> None:
        self.base, self.low, self.high = self.base[some], self.low[some], self.high[some]


class _Search:
    """All inputs' pairs, scored together: a call of an estimator costs more than a row."""

    def __init__(self, scores: Callable[[Columns], Floats], seen: Columns, pairs: list[_Pairs]) -> None:
        self._scores = scores
        self._seen = seen
        self._pairs = pairs

    def run(self) -> bool:
        """Halve until only neighbours are left; False if the estimator raised."""
        try:
            at_low, at_high = (self._at([getattr(one, side) for one in self._pairs]) for side in ("low", "high"))
            for _ in range(HALVINGS):
                at_low, at_high = self._kept(deviation(at_low, at_high).max(axis=1) > SMALLEST, at_low, at_high)
                if not len(at_low):
                    return False
                at_low, at_high = self._halved(at_low, at_high)
        except Exception:  # noqa: BLE001 - the author's code raises what it wants
            return False
        return True

    def found(self) -> list[Jump]:
        """The pairs that are left."""
        return [
            Jump(int(base), one.name, (low, high))
            for one in self._pairs
            for base, low, high in zip(one.base, one.low.tolist(), one.high.tolist(), strict=True)
        ]

    def _halved(self, at_low: Floats, at_high: Floats) -> tuple[Floats, Floats]:
        middles = [halfway(one.low, one.high) for one in self._pairs]
        at_middle = self._at(middles)
        lower = deviation(at_middle, at_low).max(axis=1) >= deviation(at_high, at_middle).max(axis=1)
        for one, middle, left in zip(self._pairs, middles, self._split(lower), strict=True):
            one.high = np.where(left, middle, one.high)
            one.low = np.where(left, one.low, middle)
        return np.where(lower[:, None], at_low, at_middle), np.where(lower[:, None], at_middle, at_high)

    def _at(self, values: Sequence[npt.NDArray[Any]]) -> Floats:
        parts = [one.rows(self._seen, some) for one, some in zip(self._pairs, values, strict=True)]
        return self._scores({name: np.concatenate([part[name] for part in parts]) for name in self._seen})

    def _kept(self, some: npt.NDArray[np.bool_], *scored: Floats) -> list[Floats]:
        for one, mine in zip(self._pairs, self._split(some), strict=True):
            one.keep(mine)
        return [one[some] for one in scored]

    def _split(self, flags: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.bool_]]:
        ends = np.cumsum([len(one.low) for one in self._pairs])[:-1]
        return np.split(flags, ends)


def _is_number(item: ArtifactInput) -> bool:
    return item.type in ("int64", "float64") and item.size is None


def _takes(scores: Callable[[Columns], Floats], seen: Columns, pairs: _Pairs) -> bool:
    """Whether the estimator takes values between those that rows had."""
    try:
        scores(pairs.rows(seen, halfway(pairs.low, pairs.high)))
    except Exception:  # noqa: BLE001 - the author's code raises what it wants
        return False
    return True
