"""The arrays that the kernel takes, and the codes in them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

LEAST, GREATEST = -(2**63), 2**63 - 1

COUNT, SUM, MEAN, VARIANCE, MIN, MAX, FIRST, LAST = range(8)
"""Operations."""
EMPTY, VALUE, BEYOND, OVERFLOW = range(4)
"""What became of a result: nothing in the window, a value, beyond float64 (null), a sum beyond int64 (an error)."""
