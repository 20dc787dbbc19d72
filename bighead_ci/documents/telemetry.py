"""What variants did between two moments: counts, before anybody judges them."""

from __future__ import annotations

from pydantic import Field, model_validator

from bighead_ci.documents.base import Document, Moment
from bighead_ci.documents.record import SCORE_BINS


class Histogram(Document):
    """Counts by value: one for each bound, of what lies at or below it and above the one before, and one for the rest.

    Empty without bounds: nothing was measured.
    """

    bounds: list[float] = Field(default_factory=list)
    counts: list[int] = Field(default_factory=list)

    @model_validator(mode="after")
    def _whole(self) -> Histogram:
        if self.counts and len(self.counts) != len(self.bounds) + 1:
            raise ValueError("a histogram has one count more than it has bounds")
        if self.bounds != sorted(set(self.bounds)):
            raise ValueError("the bounds of a histogram rise")
        return self


class VariantCounts(Document):
    """What one variant was asked and answered. Zeros and empty histograms for what it was not, or could not be told."""

    requests: int = 0
    """That the router sent to it, by weight."""
    errors: int = 0
    """Of them: answers with status 5xx or 429, and failures to answer. A request that is wrong is its caller's."""
    answers: int = 0
    """That its process says it gave well."""
    seconds: Histogram = Histogram()
    """From a request's arrival in the process to its answer."""
    scores: list[int] = Field(default_factory=lambda: [0] * SCORE_BINS)
    """In equal bins over [0, 1]."""
    score_sum: float = 0.0
    nulls: dict[str, int] = Field(default_factory=dict)
    """Input → answers for which it was null."""


class Measurement(Document):
    """What variants did between two moments."""

    since: Moment
    until: Moment
    """The span that the counts cover: what was asked for, or as much of it as was sampled."""
    variants: dict[str, VariantCounts]
    """By the name of the process."""
