"""Labels as class indices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bighead_ci.errors import InputError

Integers = npt.NDArray[np.int64]
BINARY = 2


def class_names(labels: pa.ChunkedArray, task: str) -> list[str]:
    """The classes that labels hold, in the order of their values; false and true are 0 and 1.

    Raises:
        InputError: too few or too many for the task.
    """
    values = pc.unique(_plain(labels))
    names: list[str] = values.take(pc.sort_indices(values)).cast(pa.string()).to_pylist()
    if len(names) < BINARY or (task == "binary" and len(names) != BINARY):
        shown = ", ".join(names[:10]) or "none"
        wanted = "exactly 2" if task == "binary" else "2 or more"
        raise InputError(f"the labels of the training rows have {len(names)} classes ({shown}); {task} needs {wanted}")
    return names


def class_indices(labels: pa.ChunkedArray, classes: list[str], rows: str) -> Integers:
    """Each label's index among the classes.

    Args:
        labels: The labels.
        classes: Names by `class_names`.
        rows: What the rows are, for messages: `evaluation rows`.

    Raises:
        InputError: a label is no class.
    """
    texts = _plain(labels).cast(pa.string())
    indices = pc.index_in(texts, value_set=pa.array(classes, pa.string()))
    if indices.null_count:
        strangers = sorted({str(value) for value in pc.unique(texts).to_pylist()} - set(classes))
        raise InputError(f"{rows} have labels that no training row has: {', '.join(strangers[:10])}")
    found: Integers = indices.to_numpy().astype(np.int64)
    return found


def _plain(labels: pa.ChunkedArray) -> pa.ChunkedArray:
    """Booleans as the integers that they count as, and no negative zero."""
    if pa.types.is_boolean(labels.type):
        return labels.cast(pa.int64())
    return pc.add(labels, 0.0) if pa.types.is_floating(labels.type) else labels
