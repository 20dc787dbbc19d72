"""What answers for a model, whatever kind of artifact it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.artifact import ArtifactManifest

Floats = npt.NDArray[np.float64]
RawMeaning = Literal["output", "log_odds", "log_output"]
"""What raw scores, which a model adds up, are to its outputs."""


class LoadedArtifact(Protocol):
    """An artifact that was loaded, wherever."""

    @property
    def manifest(self) -> ArtifactManifest:
        """All that serving needs to know besides the parameters."""


class Scorer(LoadedArtifact, Protocol):
    """A loaded artifact. Safe to use from several threads."""

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


class NoExplanationError(Exception):
    """The artifact does not explain its scores; says what would."""


@dataclass(frozen=True, slots=True)
class Explanations:
    """Raw scores of rows as sums: `base` and the shares of a row add up to its `raw`."""

    meaning: RawMeaning
    outputs: Sequence[int]
    """Which of the target's outputs each raw score is of."""
    base: Floats
    """(raw,)."""
    shares: Floats
    """(rows, raw, inputs), in the order of the manifest's inputs: Shapley values."""
    raw: Floats
    """(rows, raw)."""


@runtime_checkable
class ExplainingScorer(Protocol):
    """A scorer that says what its scores are made of."""

    def explain(self, columns: Mapping[str, npt.NDArray[Any]]) -> Explanations:
        """Explain many rows, given as for `Scorer.score`.

        Raises:
            InputError: as `Scorer.score`.
            NoExplanationError: the artifact was made before its kind had explanations.
        """

    def explained_cells(self) -> int:
        """Numbers that explaining one row goes through, by which callers choose how many rows they can have.

        Raises:
            NoExplanationError: as `explain`.
        """
