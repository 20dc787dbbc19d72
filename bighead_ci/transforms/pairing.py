"""Finds the rows that two records both scored. An event id is believed only where its time and its label agree too."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

ID, TIME = "__event_id", "__timestamp"


@dataclass(frozen=True)
class Matched:
    """The same rows of two tables of predictions, in the same order."""

    ours: pa.Table
    theirs: pa.Table


@dataclass(frozen=True)
class Unmatched:
    """Why two tables of predictions cannot be compared."""

    reason: str
    changed: bool = False
    """Ids stand for other rows in one than in the other."""


def match_rows(ours: pa.Table, theirs: pa.Table, whose: str) -> Matched | Unmatched:
    """The rows of both with the same event, each once and in our order.

    One id that stands for another row is enough to refuse: nobody knows then what the others stand for.

    Args:
        ours: `predictions.parquet` of one record.
        theirs: The same of another.
        whose: How messages call the other: `prod v1`.
    """
    for table, run in ((ours, "this run"), (theirs, whose)):
        if TIME not in table.column_names:
            return Unmatched(
                f"the record of {run} is of an engine before predictions kept the time of their rows, so nobody can "
                "tell whether event ids mean the same rows; run it again with this engine"
            )
    kinds = [table[ID].type for table in (ours, theirs)]
    if not any(all(map(is_kind, kinds)) for is_kind in (pa.types.is_integer, _is_text)):
        return Unmatched(f"event ids are {kinds[0]} here and {kinds[1]} in {whose}")
    where = pc.index_in(ours[ID].cast(_widest(kinds[0])), value_set=theirs[ID].cast(_widest(kinds[1])))
    mine, other = ours.filter(pc.is_valid(where)), theirs.take(pc.drop_null(where))
    if not mine.num_rows:
        return Unmatched(f"no evaluation row is one that {whose} scored too")
    same = pc.and_(_equal(mine, other, TIME, pa.int64()), _equal(mine, other, "label", pa.string()))
    changed = mine.num_rows - pc.sum(same).as_py()
    if changed:
        return Unmatched(
            f"{changed:,} of {mine.num_rows:,} event ids changed their row: their time or label is another than in the "
            f"data of {whose}; give the source an event_id that stays with its row (of corrected labels see "
            "docs/records-and-quality.md)",
            changed=True,
        )
    return Matched(mine, other)


def _equal(mine: pa.Table, other: pa.Table, column: str, kind: pa.DataType) -> pa.ChunkedArray:
    left, right = mine[column].cast(kind), other[column].cast(kind)
    both_null = pc.and_(pc.is_null(left), pc.is_null(right))
    return pc.or_(pc.fill_null(pc.equal(left, right), fill_value=False), both_null)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _widest(kind: pa.DataType) -> pa.DataType:
    return pa.string() if _is_text(kind) else pa.int64()
