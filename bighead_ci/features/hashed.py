"""Rows chosen by a hash of their event ids: the same rows on every machine, whatever else is in the table."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def hashed_part(event_ids: pa.ChunkedArray, percent: int, salt: str = "") -> npt.NDArray[np.bool_]:
    """Which rows are chosen: first 8 bytes of SHA-256 of salt and id as text, big-endian, modulo 100 < percent.

    Parts of different salts are independent of each other.
    """
    return np.array(
        [
            int.from_bytes(hashlib.sha256(f"{salt}{event_id}".encode()).digest()[:8], "big") % 100 < percent
            for event_id in event_ids.to_pylist()
        ],
        np.bool_,
    )
