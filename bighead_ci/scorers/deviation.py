"""How far two computations of the same scores are apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def deviation(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> Floats:
    """Differences as a share of the score where it is beyond 1, and as they are below: probabilities lie below.

    Scores of a regression may be of any size, and no float keeps more than its digits. What is no number is infinitely
    far from everything but, if it is infinite, itself.
    """
    left, right = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        far = np.abs(left - right) / np.maximum(1.0, np.abs(right))
    apart: Floats = np.where(left == right, 0.0, np.where(np.isnan(far), np.inf, far))
    return apart
