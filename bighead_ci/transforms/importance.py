"""How much of a model's scores rests on each of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_ROWS = 1000
"""Rows that are scored once for each input; more change no rank."""
MOST_CELLS, LEAST_ROWS = 500_000_000, 30
"""Numbers that explanations of evaluation rows go through, some seconds' work; but this many rows at least."""


def permutation_importance(
    score: Callable[[Mapping[str, npt.NDArray[Any]]], npt.NDArray[np.float64]],
    columns: Mapping[str, npt.NDArray[Any]],
) -> dict[str, float]:
    """Input → its share of how far scores move when one input's values are exchanged between rows, the others kept.

    Permutation importance (Breiman 2001, Fisher et al. 2019) of the scores themselves instead of a loss: it needs no
    labels. Inputs that say the same thing share what they weigh. Shares add up to 1; all are 0 where nothing moves.

    Args:
        score: Scores of many rows, shape (rows, classes).
        columns: Every input by name, `(rows,)` or `(rows, size)`, not empty.
    """
    sample = sampled(columns, MOST_ROWS)
    order = np.random.default_rng(1).permutation(len(next(iter(sample.values()))))
    before = score(sample)
    moved = {
        name: float(np.abs(score({**sample, name: values[order]}) - before).mean()) for name, values in sample.items()
    }
    total = sum(moved.values())
    return {name: far / total if total > 0 else 0.0 for name, far in moved.items()}


def explained_sample(columns: Mapping[str, npt.NDArray[Any]], cells: int) -> Mapping[str, npt.NDArray[Any]]:
    """Rows whose explanations say what scores rest on.

    Args:
        columns: As for `permutation_importance`.
        cells: Numbers that the explanation of one row goes through.
    """
    return sampled(columns, min(MOST_ROWS, max(LEAST_ROWS, MOST_CELLS // max(cells, 1))))


def sampled(columns: Mapping[str, npt.NDArray[Any]], most: int) -> Mapping[str, npt.NDArray[Any]]:
    """Rows drawn without replacement, in their order; the same each time."""
    rows = len(next(iter(columns.values())))
    chosen = np.sort(np.random.default_rng(0).choice(rows, min(rows, most), replace=False))
    return {name: values[chosen] for name, values in columns.items()}
