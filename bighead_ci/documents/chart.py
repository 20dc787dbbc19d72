"""Charts of an evaluation as data: what is to be seen, not how it is drawn. Tasks choose, reporting draws."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bighead_ci.documents.base import Document


class CurvePoint(Document):
    """A point of a curve."""

    x: float
    y: float


class Curve(Document):
    """A line through points, beside the same line of other runs."""

    kind: Literal["curve"] = "curve"
    name: str
    """`ROC`, `calibration`: curves of two runs that have one name are drawn in one picture."""
    x: str
    """What is measured along the axis."""
    y: str
    points: list[CurvePoint]
    unit: bool = True
    """Both axes run from 0 to 1."""
    comparable: bool = True
    """Both axes measure the same thing: they have one scale, and a line is drawn where they agree."""
    dots: bool = True
    """Whether each point is a figure of its own, and not one of many along a line."""


class Matrix(Document):
    """Counts of rows by truth and by prediction."""

    kind: Literal["matrix"] = "matrix"
    name: str
    names: list[str]
    counts: list[list[int]]
    """Row: truth, column: prediction."""


Chart = Annotated[Curve | Matrix, Field(discriminator="kind")]
