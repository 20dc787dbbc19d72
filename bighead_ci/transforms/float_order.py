"""Halfway between two numbers in the order of the floats themselves, so that 64 halvings lead to neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FAR = 1e30
"""Numbers beyond need not be told from one another to the last digit."""
_ROUGH = 1e-3
_LOWEST = np.int64(-(2**63))


def halfway(low: npt.NDArray[Any], high: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Of each pair, int64 or float64, the number with as many others of its type on either side; a neighbour's is one.

    Infinities are the neighbours of the largest floats. No pair may hold NaN.
    """
    if low.dtype.kind == "i":
        whole: npt.NDArray[Any] = (low >> 1) + (high >> 1) + (low & high & 1)
        return whole
    return _float(halfway(_ordinal(low), _ordinal(high)))


def between(low: float, high: float) -> float:
    """The same of one pair."""
    kind = np.int64 if isinstance(low, int) else np.float64
    found: float = halfway(np.array([low], dtype=kind), np.array([high], dtype=kind))[0].item()
    return found


def close(low: float, high: float) -> bool:
    """Whether nothing worth knowing lies between."""
    middle = between(*sorted((low, high)))
    far = min(abs(low), abs(high)) > FAR and abs(high / low - 1) < _ROUGH
    return middle in (low, high) or far


def _ordinal(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Whole numbers in the order of the floats; of both zeros the same."""
    bits = numbers.view(np.int64)
    return np.where(bits < 0, _LOWEST - bits, bits)


def _float(ordinals: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.where(ordinals < 0, _LOWEST - ordinals, ordinals).view(np.float64)
