"""What becomes of one row of a spine, by the rules as docs/features.md says them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """A row of the spine and its label row. Times are microseconds; None: has none."""

    event_id: Any
    time: int | None
    label: Any
    known: int | None


def fate(row: Row, split: tuple[tuple[int, int], tuple[int, int]] | int, as_of: int | None, offset: int) -> str:
    """`outside`, `immature`, `unlabelled`, `train` or `evaluate`; the split is two ranges, or a percentage."""
    if row.time is None:
        return "outside"
    if isinstance(split, int):
        number = int(hashlib.sha256(str(row.event_id).encode()).hexdigest()[:16], 16)
        part = "evaluate" if number % 100 < split else "train"
    else:
        (train_start, train_end), (evaluate_start, evaluate_end) = split
        if train_start <= row.time < train_end:
            part = "train"
        elif evaluate_start <= row.time < evaluate_end:
            part = "evaluate"
        else:
            return "outside"
    if as_of is not None and (row.time + offset > as_of or (row.known is not None and row.known >= as_of)):
        return "immature"
    if row.known is None or row.label is None or not math.isfinite(row.label):
        return "unlabelled"
    return part
