"""What answers for a model, whatever kind of artifact it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.artifact import ArtifactManifest

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Explanation:
    """How one row's raw scores come about: for each output, `base` and all contributions add up to `raw`."""

    raw: Sequence[float]
    """Before the link: log-odds of the positive class, a log-odds each class, or the value itself."""
    base: Sequence[float]
    contributions: Mapping[str, Sequence[float]]
    """Input → what it adds, one number an output of `raw`."""


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

    def explain_row(self, inputs: Mapping[str, Any]) -> Explanation | None:
        """What each input adds to one row's raw scores; None from a kind that cannot say.

        Raises:
            InputError: a value is not of its input's type or size.
        """
