"""Rows with what is true of them and what a model gave them, and how often bootstrap samples drew each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.target import Target

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Labels = npt.NDArray[Any]

_CHUNK_CELLS = 4_000_000
_LEVELS = (2.5, 97.5)


@dataclass(frozen=True)
class Scored:
    """Some rows of an evaluation."""

    target: Target
    truth: Labels
    """By the target's task: indices of classes, or values."""
    scores: Floats
    """Shape (rows, outputs)."""
    groups: Labels | None = None
    """What each row's list is called, of tasks that put rows in order."""

    def __len__(self) -> int:
        """How many rows."""
        return len(self.truth)

    def at(self, rows: Integers) -> Scored:
        """Some of the rows."""
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, truth=self.truth[rows], scores=self.scores[rows], groups=groups)


@dataclass(frozen=True)
class Resamples:
    """How often each bootstrap sample drew each row: shape (samples, rows)."""

    counts: npt.NDArray[np.uint8]

    @classmethod
    def draw(cls, rows: int, samples: int, seed: int = 0) -> Resamples:
        """Draw `samples` times `rows` rows with replacement."""
        generator = np.random.default_rng(seed)
        counts = np.empty((samples, rows), dtype=np.uint8)
        for sample in range(samples):
            drawn = generator.integers(0, max(rows, 1), rows, dtype=np.int64)
            counts[sample] = np.minimum(np.bincount(drawn, minlength=rows), 255)
        return cls(counts)

    def at(self, rows: npt.NDArray[np.bool_] | Integers) -> Resamples:
        """The same samples, looking only at some rows."""
        return Resamples(self.counts[:, rows])

    def chunks(self, kind: type[np.floating[Any]]) -> Iterator[npt.NDArray[Any]]:
        """The counts as floats, some samples at a time so that memory stays bounded."""
        samples, rows = self.counts.shape
        step = max(1, _CHUNK_CELLS // max(rows, 1))
        for start in range(0, samples, step):
            yield self.counts[start : start + step].astype(kind)

    def means(self, losses: dict[str, Floats]) -> dict[str, Floats]:
        """The mean over rows of each loss, in each sample; NaN in a sample without rows."""
        stacked = np.stack(list(losses.values()), axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = [weights @ stacked / weights.sum(axis=1, keepdims=True) for weights in self.chunks(np.float64)]
        table = np.concatenate(means)
        return {name: table[:, index] for index, name in enumerate(losses)}


def interval(samples: Floats) -> tuple[float, float]:
    """The 95 % interval of a figure's bootstrap samples; NaN where none is finite."""
    finite = samples[np.isfinite(samples)]
    low, high = np.percentile(finite, _LEVELS) if len(finite) else (np.nan, np.nan)
    return float(low), float(high)
