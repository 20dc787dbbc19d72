"""Kind `linear`: weights over the vector of a row plan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.errors import InputError
from bighead_ci.ports.scorer import Floats
from bighead_ci.scorers.row_plan import Arrays
from bighead_ci.scorers.table import ARRAYS, DOCUMENT, TableDocument, TableScorer, read_arrays


class LinearModel:
    """Raw scores are weighted sums and an intercept."""

    def __init__(self, arrays: Arrays) -> None:
        self._weights = arrays["weights"]
        self._intercepts = arrays["intercepts"]
        self._means = arrays.get("means")

    def row(self, vector: Floats) -> Floats:
        """Of one; see `RawModel`."""
        return self.rows(vector[None])

    def rows(self, matrix: Floats) -> Floats:
        """Of many; see `RawModel`."""
        raw: Floats = matrix @ self._weights + self._intercepts
        return raw

    def shares(self, matrix: Floats, owners: npt.NDArray[np.int64], inputs: int) -> tuple[Floats, Floats] | None:
        """How far a row's numbers are from the training rows' means, times weights; see `RawModel`."""
        if self._means is None:
            return None
        made_of = np.zeros((len(owners), inputs))
        made_of[np.arange(len(owners)), owners] = 1.0
        apart = (matrix - self._means)[:, None, :] * self._weights.T
        base: Floats = self._means @ self._weights + self._intercepts
        return base, apart @ made_of

    def cells(self, owners: npt.NDArray[np.int64], inputs: int) -> int | None:
        """Numbers of the vector by inputs; see `RawModel`."""
        return None if self._means is None else len(owners) * inputs


def load(directory: Path, manifest: ArtifactManifest) -> TableScorer:
    """The scorer of an artifact's directory.

    Raises:
        InputError: its files are damaged.
    """
    try:
        document = TableDocument.read(directory / DOCUMENT)
        arrays = read_arrays(directory / ARRAYS)
        return TableScorer(manifest, document, arrays, LinearModel(arrays))
    except (ValueError, KeyError, IndexError) as error:
        raise InputError(f"{directory}: no readable weights: {error}") from error
