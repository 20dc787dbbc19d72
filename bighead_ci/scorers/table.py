"""Kinds `trees` and `linear`: a row plan, a model over its vector, a link; `model.json` and `model.npz`."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.base import Document
from bighead_ci.errors import InputError
from bighead_ci.ports.scorer import Explanations, Floats
from bighead_ci.scorers.explaining import made_before_explanations
from bighead_ci.scorers.inputs import typed_columns
from bighead_ci.scorers.links import LINKS, MEANINGS, Link, explained_outputs
from bighead_ci.scorers.row_plan import Arrays, Plan, RowPlan

DOCUMENT, ARRAYS = "model.json", "model.npz"
CHUNK = 8192
"""Rows that are scored at once, so that memory stays bounded."""


class RawModel(Protocol):
    """What gives raw scores of vectors."""

    def row(self, vector: Floats) -> Floats:
        """Of one, shape (1, raw)."""

    def rows(self, matrix: Floats) -> Floats:
        """Of many, shape (rows, raw)."""

    def shares(self, matrix: Floats, owners: npt.NDArray[np.int64], inputs: int) -> tuple[Floats, Floats] | None:
        """What inputs add to raw scores of many: base (raw,), and shares (rows, raw, inputs).

        Args:
            matrix: The vectors.
            owners: Number of a vector → the input that it was made of.
            inputs: How many there are.

        Returns None where the artifact lacks what that needs.
        """

    def cells(self, owners: npt.NDArray[np.int64], inputs: int) -> int | None:
        """Numbers that the shares of one row go through; None as `shares`."""


class TableDocument(Document):
    """`model.json`, but for what the kind adds."""

    plan: Plan
    link: Link


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an artifact; objects, which would have to be unpickled, are refused.

    Raises:
        InputError: the file is damaged.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"{path}: no readable arrays: {error}") from error


class TableScorer:
    """Scores rows by tables. Safe to use from several threads: scoring changes nothing."""

    def __init__(self, manifest: ArtifactManifest, document: TableDocument, arrays: Arrays, model: RawModel) -> None:
        self.manifest = manifest
        self._plan = RowPlan(document.plan, arrays, manifest.inputs)
        self._model = model
        self._named = document.link
        self._link = LINKS[document.link]

    def score(self, columns: Mapping[str, npt.NDArray[Any]]) -> Floats:
        """Scores of many rows; see the port."""
        found = typed_columns(self.manifest.inputs, columns, f"{self.manifest.model}/{self.manifest.version}")
        rows = len(found[0]) if found else 0
        scores = np.empty((rows, len(self.manifest.target.outputs)))
        for start in range(0, rows, CHUNK):
            some = slice(start, start + CHUNK)
            scores[some] = self._link(self._model.rows(self._plan.rows([values[some] for values in found])))
        return scores

    def score_row(self, inputs: Mapping[str, Any]) -> list[float]:
        """Scores of one row; see the port."""
        scores: list[float] = self._link(self._model.row(self._plan.row(inputs)))[0].tolist()
        return scores

    def explain(self, columns: Mapping[str, npt.NDArray[Any]]) -> Explanations:
        """What raw scores of many rows are made of; see `ExplainingScorer`."""
        manifest = self.manifest
        matrix = self._plan.rows(typed_columns(manifest.inputs, columns, f"{manifest.model}/{manifest.version}"))
        found = self._model.shares(matrix, self._plan.owners, len(manifest.inputs))
        if found is None:
            raise made_before_explanations(manifest.model, manifest.version)
        base, shares = found
        outputs = explained_outputs(self._named, len(base))
        return Explanations(MEANINGS[self._named], outputs, base, shares, self._model.rows(matrix))

    def explained_cells(self) -> int:
        """How much explaining a row is; see `ExplainingScorer`."""
        manifest = self.manifest
        found = self._model.cells(self._plan.owners, len(manifest.inputs))
        if found is None:
            raise made_before_explanations(manifest.model, manifest.version)
        return found
