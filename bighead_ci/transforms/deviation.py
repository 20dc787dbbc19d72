"""How far two computations of the same scores are apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def deviation(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> Floats:
    """Differences as a share of the score where it is beyond 1, and as they are below: probabilities lie below.

    Scores of a regression may be of any size, and no float keeps more than its digits.
    """
    left, right = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    far: Floats = np.abs(left - right) / np.maximum(1.0, np.abs(right))
    return far
