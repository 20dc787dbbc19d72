"""A scikit-learn transformer of our own: columns of a frame become one text a row."""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import BaseEstimator, TransformerMixin

from registry.spelling import designation, manufacturer


class RegistryText(TransformerMixin, BaseEstimator):
    """Joins manufacturer and designation, in one spelling.

    What the constructor gets is kept under the same names, as scikit-learn wants it of what it clones.
    """

    def __init__(self, manufacturer: str, designation: str) -> None:
        """Take the names of the columns."""
        self.manufacturer = manufacturer
        self.designation = designation

    def fit(self, frame: Any, labels: Any = None) -> Self:  # noqa: ARG002 - as transformers are asked
        """Learn nothing."""
        return self

    def transform(self, frame: Any) -> list[str]:
        """One text a row; what is missing adds nothing to it."""
        rows = zip(frame[self.manufacturer], frame[self.designation], strict=True)
        return [f"{manufacturer(maker or '')} {designation(kind or '')}" for maker, kind in rows]

    def __sklearn_is_fitted__(self) -> bool:
        """There is nothing to fit."""
        return True
