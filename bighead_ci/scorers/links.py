"""From raw scores to a model's outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from bighead_ci.ports.scorer import RawMeaning

Floats = npt.NDArray[np.float64]
Link = Literal["identity", "sigmoid", "softmax", "exp"]


def _sigmoid(raw: Floats) -> Floats:
    """Both classes' probabilities, of one log-odds a row."""
    with np.errstate(over="ignore"):
        positive = 1.0 / (1.0 + np.exp(-raw[:, :1]))
    return np.concatenate([1.0 - positive, positive], axis=1)


def _softmax(raw: Floats) -> Floats:
    weights = np.exp(raw - raw.max(axis=1, keepdims=True))
    shares: Floats = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _exp(raw: Floats) -> Floats:
    with np.errstate(over="ignore"):
        values: Floats = np.exp(raw)
    return values


LINKS: Mapping[Link, Callable[[Floats], Floats]] = {
    "identity": lambda raw: raw,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
    "exp": _exp,
}
"""Each takes and gives (rows, numbers)."""

MEANINGS: Mapping[Link, RawMeaning] = {
    "identity": "output",
    "sigmoid": "log_odds",
    "softmax": "log_odds",
    "exp": "log_output",
}
"""What raw scores are to the outputs."""


def explained_outputs(link: Link, raw: int) -> list[int]:
    """Which output each of so many raw scores is of: log-odds of two classes are of the second."""
    return [1] if link == "sigmoid" else list(range(raw))
