"""Rows are compared with themselves: an event id is believed only with its time and its label."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bighead_ci.delivery.stages.predictions import predictions_table
from bighead_ci.documents.target import Target
from bighead_ci.tasks.scored import Scored
from bighead_ci.transforms.pairing import Matched, Unmatched, match_rows

START = datetime(2024, 3, 1, tzinfo=UTC)
TARGET = Target(task="binary", outputs=["0", "1"])


def rows(first: int, last: int, *, shift: int = 0, timed: bool = True) -> pa.Table:
    """Predictions of hours; the id of an hour is its row number, less `shift` where rows came before it."""
    hours = np.arange(first, last)
    columns: dict[str, Any] = {"__event_id": hours - shift}
    if timed:
        columns["__timestamp"] = pa.array(
            [START + timedelta(hours=int(h)) for h in hours], pa.timestamp("us", tz="UTC")
        )
    scores = np.column_stack([hours % 7, 7 - hours % 7]) / 7
    return predictions_table(pa.table(columns), Scored(TARGET, hours % 3 % 2, scores))


def refused(ours: pa.Table, theirs: pa.Table) -> Unmatched:
    found = match_rows(ours, theirs, "v1")
    assert isinstance(found, Unmatched)
    return found


def test_only_rows_that_both_scored_count_whatever_their_order() -> None:
    """They come out in our order."""
    found = match_rows(rows(0, 30), rows(10, 50).sort_by([("__event_id", "descending")]), "v1")
    assert isinstance(found, Matched)
    assert found.ours["__event_id"].to_pylist() == found.theirs["__event_id"].to_pylist() == list(range(10, 30))


@pytest.mark.parametrize("timed", [True, False])
def test_ids_that_shifted_to_other_rows_are_no_rows_in_common(timed: bool) -> None:
    """Row numbers as ids, and one row came before: all that both have stand for another row, by label alone too."""
    found = refused(rows(0, 30, timed=timed), rows(1, 31, shift=1, timed=timed))
    assert found.changed
    changed = 30 if timed else 20
    assert f"{changed} of 30 event ids changed their row" in found.reason
    assert "give the source an event_id that stays with its row" in found.reason


@pytest.mark.parametrize(("column", "value"), [("label", 7), ("__timestamp", START), ("__timestamp", None)])
def test_one_id_with_another_row_is_enough_to_refuse(column: str, value: object) -> None:
    """Nobody knows then what the others stand for."""
    ours = rows(0, 30)
    values = [*ours[column].to_pylist()[:-1], value]
    theirs = ours.set_column(ours.column_names.index(column), column, pa.array(values, ours[column].type))
    assert "1 of 30 event ids changed their row" in refused(ours, theirs).reason


def test_rows_without_any_time_are_held_by_their_label() -> None:
    """A spine without a timestamp has none to compare."""
    assert isinstance(match_rows(rows(0, 30, timed=False), rows(0, 30, timed=False), "v1"), Matched)


def test_predictions_of_an_engine_that_kept_no_time_are_compared_with_nothing() -> None:
    """It says whose, and that the version must be run again; it is not a changed row. Ours may be the old one."""
    old = rows(0, 30).drop_columns("__timestamp")
    for ours, theirs, whose in ((rows(0, 30), old, "v1"), (old, rows(0, 30), "this run"), (old, old, "this run")):
        found = refused(ours, theirs)
        assert f"the record of {whose} is of an engine before" in found.reason
        assert "run it again" in found.reason
        assert not found.changed


def test_ids_of_text_are_never_ids_of_numbers() -> None:
    """`007` is not 7; integers of two widths are the same."""
    theirs = rows(0, 10)
    texts = theirs.set_column(0, "__event_id", pa.array([f"00{n}" for n in range(10)]))
    assert refused(rows(0, 10), texts).reason == "event ids are int64 here and string in v1"
    narrow = theirs.set_column(0, "__event_id", theirs["__event_id"].cast(pa.int32()))
    assert isinstance(match_rows(rows(0, 10), narrow, "v1"), Matched)


def test_other_events_have_nothing_in_common() -> None:
    """It says so."""
    assert refused(rows(0, 10), rows(10, 20)).reason == "no evaluation row is one that v1 scored too"
