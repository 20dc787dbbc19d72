"""Why an answer is what it is: its raw score as a sum of what each input adds."""

from __future__ import annotations

from typing import Literal

from bighead_ci.documents.base import Document

RawScore = Literal["log_odds", "log_value", "probability", "value", "score"]
"""What is explained: the number that the model adds up, before its link makes an answer of it.

Of several classes, `log_odds` are each class's logit: differences of two are log-odds.
"""


class Attribution(Document):
    """One raw score: `base` and all of `inputs` add up to `raw`."""

    output: str
    """What it is of: a class, `value`, `score`."""
    base: float
    """What the model gives where it knows no input: a mean over its training rows."""
    raw: float
    inputs: dict[str, float]
    """Input, as callers and feature sets name it, → its Shapley value."""


class Explanation(Document):
    """Of one answer."""

    of: RawScore
    attributions: list[Attribution]


class Attributed(Document):
    """How much raw scores owe to each input: the mean of the magnitude of its Shapley values over some rows."""

    of: RawScore
    rows: int
    inputs: dict[str, float]
    """Input → mean magnitude, in the raw score's unit; of several outputs their sum."""

    def shares(self) -> dict[str, float]:
        """Input → its part of all; 0 where nothing adds anything."""
        total = sum(self.inputs.values())
        return {name: value / total if total > 0 else 0.0 for name, value in self.inputs.items()}
