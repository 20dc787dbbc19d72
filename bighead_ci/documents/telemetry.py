"""What variants did between two moments: counts, before anybody judges them."""

from __future__ import annotations

from pydantic import Field

from bighead_ci.documents.base import Document, Moment
from bighead_ci.documents.histogram import Histogram


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
    scores: Histogram = Histogram()
    """The number that stands for an answer, by the task."""
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
