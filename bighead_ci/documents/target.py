"""What a model answers: what its definition asks for, and what its training labels made of that."""

from __future__ import annotations

from pydantic import Field

from bighead_ci.documents.base import Document, Name
from bighead_ci.documents.histogram import UNIT_BOUNDS


class TargetSettings(Document):
    """What model.yaml says of the answer. `tasks.registry` knows the tasks."""

    task: Name
    label: str
    """Its column, for messages."""
    file: str
    """The model.yaml, for messages."""
    positive: bool | int | str | None = None
    """Of two classes the one whose score is the answer."""
    quantiles: list[float] = Field(default_factory=list)
    """Which are asked for besides the value itself."""
    group: str | None = None
    """A column whose equal values make rows one list of candidates."""


class Target(Document):
    """The answer of one trained model."""

    task: Name
    outputs: list[str]
    """What each number of a row's scores is, in order: names of classes, or `value` and `q0.9`."""
    quantiles: list[float] = Field(default_factory=list)
    """What the outputs after the first are."""
    bounds: list[float] = Field(default_factory=lambda: list(UNIT_BOUNDS))
    """Of the bins in which the one number that stands for an answer is counted, by evaluation and by live processes."""
