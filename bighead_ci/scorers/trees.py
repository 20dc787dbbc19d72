"""Kind `trees`: every tree of an ensemble in one table, descended at once.

A node's children lie side by side, the right one first, so that `x <= threshold` counted as 0 or 1 leads to the next. A
leaf is its own right child and has no threshold. NaN fails every comparison and goes right; where a node sends it left,
the node looks at a copy of the vector in which NaN is minus infinity. A split on categories looks at a number of its
own, -1 for left and 1 for right, which is looked up before the descent.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.errors import InputError
from bighead_ci.ports.scorer import Floats
from bighead_ci.scorers.row_plan import Arrays
from bighead_ci.scorers.table import ARRAYS, DOCUMENT, TableDocument, TableScorer, read_arrays
from bighead_ci.scorers.tree_paths import TreePaths

CELLS = 4_000_000
"""Of (rows, trees) that are descended at once."""
SMALL = 64
"""Nodes a tree up to which all nodes of a row are compared at once: cheaper than many small steps."""


class TreesDocument(TableDocument):
    """`model.json` of trees."""

    depth: int
    narrow: bool
    """The library compares float32, so the vector is rounded to it."""
    zero_is_missing: list[int]
    """Features of which LightGBM takes 0 for a missing value."""


class TreeTable:
    """Raw scores are the sums of leaves by output, and a base."""

    def __init__(self, document: TreesDocument, arrays: Arrays) -> None:
        self._narrow, self._depth = document.narrow, document.depth
        self._zeros = np.array(document.zero_is_missing, dtype=np.int64)
        self._roots, self._base = arrays["roots"], arrays["base"]
        self._feature, self._threshold = arrays["feature"], arrays["threshold"]
        self._right, self._leaf = arrays["right"], arrays["leaf"]
        self._outputs = np.zeros((len(self._roots), len(self._base)))
        if self._leaf.shape[1] == 1:
            self._outputs[np.arange(len(self._roots)), arrays["output"]] = 1.0
        self._cat_feature, self._cat_start = arrays["cat_feature"], arrays["cat_start"]
        self._cat_size, self._cat_side = arrays["cat_size"], arrays["cat_side"]
        self._cat_other, self._cat_nan = arrays["cat_other"], arrays["cat_nan"]
        self._cat_negative = arrays["cat_negative"]
        self._arrays = arrays
        self._paths: TreePaths | None = None
        self._small = len(self._feature) <= SMALL * len(self._roots)

    def row(self, vector: Floats) -> Floats:
        """Of one; see `RawModel`."""
        values = self._values(vector[None])[0]
        if self._small:
            onward = self._right + (values[self._feature] <= self._threshold)
            at = self._roots
            for _ in range(self._depth):
                at = onward[at]
        else:
            at = self._roots
            for _ in range(self._depth):
                at = self._right[at] + (values[self._feature[at]] <= self._threshold[at])
        return self._summed(at[None])

    def rows(self, matrix: Floats) -> Floats:
        """Of many; see `RawModel`."""
        step = max(1, CELLS // max(1, len(self._roots)))
        parts = [self._descended(matrix[start : start + step]) for start in range(0, len(matrix), step)]
        return np.concatenate(parts) if parts else np.empty((0, len(self._base)))

    def shares(self, matrix: Floats, owners: npt.NDArray[np.int64], inputs: int) -> tuple[Floats, Floats] | None:
        """Shapley values by the paths, which are followed when they are first asked for; see `RawModel`."""
        paths = self._followed(owners, inputs)
        if paths is None:
            return None
        found = [paths.shares(row[self._feature] <= self._threshold) for row in self._values(matrix)]
        return paths.base, np.stack(found) if found else np.empty((0, len(paths.base), inputs))

    def cells(self, owners: npt.NDArray[np.int64], inputs: int) -> int | None:
        """Leaves by inputs of their paths; see `RawModel`."""
        paths = self._followed(owners, inputs)
        return None if paths is None else paths.cells

    def _followed(self, owners: npt.NDArray[np.int64], inputs: int) -> TreePaths | None:
        if self._paths is None and "cover" in self._arrays:
            self._paths = TreePaths(self._arrays, self._columns(len(owners)), owners, inputs)
        return self._paths

    def _columns(self, features: int) -> npt.NDArray[np.int64]:
        """The number of the vector that each node looks at, whichever form of it."""
        columns = self._feature % features
        natively = self._feature >= 2 * features
        columns[natively] = self._cat_feature[self._feature[natively] - 2 * features]
        found: npt.NDArray[np.int64] = columns
        return found

    def _descended(self, matrix: Floats) -> Floats:
        values = self._values(matrix)
        first = (np.arange(len(matrix)) * values.shape[1])[:, None]
        flat = values.ravel()
        at = np.broadcast_to(self._roots, (len(matrix), len(self._roots)))
        for _ in range(self._depth):
            at = self._right[at] + (flat[first + self._feature[at]] <= self._threshold[at])
        return self._summed(at)

    def _summed(self, at: Floats) -> Floats:
        leaves = self._leaf[at]
        raw: Floats
        if self._leaf.shape[1] == 1:
            raw = leaves[:, :, 0] @ self._outputs + self._base
        else:
            raw = leaves.sum(axis=1) + self._base
        return raw

    def _values(self, matrix: Floats) -> Floats:
        """What nodes compare: the vector with NaN lowest, the vector as it is, and sides of categories."""
        if self._narrow:
            with np.errstate(over="ignore"):
                matrix = matrix.astype(np.float32).astype(np.float64)
        if len(self._zeros):
            matrix = matrix.copy()
            some = matrix[:, self._zeros]
            matrix[:, self._zeros] = np.where(np.abs(some) <= ZERO, np.nan, some)
        blocks = [np.where(np.isnan(matrix), -np.inf, matrix), matrix]
        if len(self._cat_feature):
            blocks.append(self._sides(matrix[:, self._cat_feature]))
        return np.concatenate(blocks, axis=1)

    def _sides(self, values: Floats) -> Floats:
        missing, negative = np.isnan(values), values <= -1
        inside = ~missing & ~negative & (values < self._cat_size)
        places = np.where(inside, values, 0).astype(np.int64) + self._cat_start
        sides = np.where(inside, self._cat_side[places], np.where(negative, self._cat_negative, self._cat_other))
        found: Floats = np.where(missing, self._cat_nan, sides).astype(np.float64)
        return found


ZERO = float(np.float32(1e-35))
"""LightGBM's, a float32: what lies within is 0."""


def load(directory: Path, manifest: ArtifactManifest) -> TableScorer:
    """The scorer of an artifact's directory.

    Raises:
        InputError: its files are damaged.
    """
    try:
        document = TreesDocument.read(directory / DOCUMENT)
        arrays = read_arrays(directory / ARRAYS)
        return TableScorer(manifest, document, arrays, TreeTable(document, arrays))
    except (ValueError, KeyError, IndexError) as error:
        raise InputError(f"{directory}: no readable trees: {error}") from error
