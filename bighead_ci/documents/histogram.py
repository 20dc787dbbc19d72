"""Counts by value."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from bighead_ci.documents.base import Document

UNIT_BOUNDS = [round((index + 1) / 20, 4) for index in range(20)]
"""Of twenty equal bins over [0, 1], in which probabilities are counted."""


class Histogram(Document):
    """Counts by value: one for each bound, of what lies at or below it and above the one before, and one for the rest.

    Empty without bounds: nothing was measured.
    """

    bounds: list[float] = Field(default_factory=list)
    counts: list[int] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _of_older_engines(cls, value: Any) -> Any:
        """They kept the counts alone, of twenty equal bins over [0, 1]."""
        if isinstance(value, list):
            return {"bounds": UNIT_BOUNDS, "counts": [*value, 0]} if value else {}
        return value

    @model_validator(mode="after")
    def _whole(self) -> Histogram:
        if self.counts and len(self.counts) != len(self.bounds) + 1:
            raise ValueError("a histogram has one count more than it has bounds")
        if self.bounds != sorted(set(self.bounds)):
            raise ValueError("the bounds of a histogram rise")
        return self

    @property
    def total(self) -> int:
        """How many were counted."""
        return sum(self.counts)
