"""`predictions.parquet`: what a run's artifact gave the evaluation rows, and which rows these are."""

from __future__ import annotations

import pyarrow as pa

from bighead_ci.documents.stage import GROUP
from bighead_ci.documents.target import Target
from bighead_ci.errors import InputError
from bighead_ci.tasks.registry import task_named
from bighead_ci.tasks.scored import Labels, Scored
from bighead_ci.transforms.pairing import ID, TIME


def labels_of(rows: pa.Table) -> Labels:
    """The label column as tasks take it; a training set has no row without one."""
    labels: Labels = rows["__label"].to_numpy()
    return labels


def groups_of(rows: pa.Table) -> Labels | None:
    """What each row's list is called, where the model puts rows in order.

    Raises:
        InputError: a row is in no list.
    """
    if GROUP not in rows.column_names:
        return None
    if alone := rows[GROUP].null_count:
        raise InputError(f"{alone:,} of {rows.num_rows:,} rows have no value of the group: nobody knows their list")
    groups: Labels = rows[GROUP].to_numpy()
    return groups


def predictions_table(rows: pa.Table, scored: Scored) -> pa.Table:
    """What is kept of rows of a training set.

    The time is there to tell whether an event id still means its row; it is null where the spine has none.
    """
    times = rows[TIME] if TIME in rows.column_names else pa.nulls(rows.num_rows, pa.timestamp("us"))
    task = task_named(scored.target.task)
    return pa.table({ID: rows[ID], TIME: times} | task.prediction_columns(scored))


def scored_rows(predictions: pa.Table, target: Target) -> Scored:
    """The predictions of a record.

    Raises:
        InputError: they are of another target.
    """
    columns = {name: predictions[name].to_numpy() for name in predictions.column_names if name not in {ID, TIME}}
    return task_named(target.task).scored_rows(columns, target)
