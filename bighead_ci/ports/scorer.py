"""What answers for a model, whatever kind of artifact it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.artifact import ArtifactManifest

Floats = npt.NDArray[np.float64]


class Scorer(Protocol):
    """A loaded artifact. Safe to use from several threads."""

    @property
    def manifest(self) -> ArtifactManifest:
        """All that serving needs to know besides the parameters."""

    def score(self, columns: Mapping[str, npt.NDArray[Any]]) -> Floats:
        """Scores of many rows, shape (rows, outputs).

        Args:
            columns: Every input by name: `(rows,)`, or `(rows, size)` for a list input. A missing number is NaN or
                None, a missing text is None or "".

        Raises:
            InputError: an input is missing, or its values are not of its type and size (all problems at once).
        """

    def score_row(self, inputs: Mapping[str, Any]) -> list[float]:
        """Scores of one row, one an output. An input that is absent or None counts as missing (NaN, or "").

        Raises:
            InputError: a value is not of its input's type or size.
        """
