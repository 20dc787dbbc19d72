"""Kind `linear`: weights over the vector of a row plan."""

from __future__ import annotations

from pathlib import Path

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

    def row(self, vector: Floats) -> Floats:
        """Of one; see `RawModel`."""
        return self.rows(vector[None])

    def rows(self, matrix: Floats) -> Floats:
        """Of many; see `RawModel`."""
        raw: Floats = matrix @ self._weights + self._intercepts
        return raw


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
