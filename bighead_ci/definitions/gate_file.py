"""What is written in `policies/<name>.yaml`, and the gate it means.

Thresholds are the short way to write the common rules; they become CEL like any other, so `explain` shows them alike.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from bighead_ci.documents.authored import Definition
from bighead_ci.documents.base import Name
from bighead_ci.documents.definition import Owner
from bighead_ci.documents.verdict import GateDefinition, Occasion, Rule

Expression = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
PathText = Annotated[
    str, StringConstraints(pattern=r"""^[a-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*|\["[^"\\\n]+"\])*$""")
]
"""A path as rules write it: `metrics.auc.low`, `analysis.candidate.null_ratio["tail_history.x"]`."""


class RuleText(Definition):
    """One CEL expression that must be true."""

    expression: Expression
    message: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    """For people, said when the rule fails."""


class Threshold(Definition):
    """Bounds of one number of the evidence."""

    at_least: float | None = None
    """The number must be this or more."""
    at_most: float | None = None
    """The number must be this or less."""
    above: float | None = None
    """The number must be more than this."""
    below: float | None = None
    """The number must be less than this."""
    message: str | None = None
    """For people, in place of the generated sentence."""

    @model_validator(mode="after")
    def _bounds(self) -> Threshold:
        if self.at_least is self.at_most is self.above is self.below is None:
            raise ValueError("give at least one of at_least, at_most, above, below")
        return self


class GateFile(Definition):
    """A gate: CEL rules over the evidence of an occasion (`policies/<name>.yaml`)."""

    owner: Owner
    description: Annotated[str, StringConstraints(min_length=1, max_length=400)]
    on: Annotated[list[Occasion], Field(min_length=1)]
    """When the gate is judged."""
    match: Expression | None = None
    """CEL; the gate applies where it is true. Absent: always."""
    variables: dict[Name, Expression] = Field(default_factory=dict)
    """Name → CEL, usable as `variables.<name>` in the rules and in later variables."""
    thresholds: dict[PathText, Threshold] = Field(default_factory=dict)
    """Path of a number in the candidate's evidence (or from a root such as `analysis`) → its bounds."""
    rules: list[RuleText] = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_rules(self) -> GateFile:
        if not self.rules and not self.thresholds:
            raise ValueError("a gate needs rules or thresholds; without any it would always pass")
        return self


_BOUNDS = (
    ("at_least", ">=", "must be at least"),
    ("at_most", "<=", "must be at most"),
    ("above", ">", "must be above"),
    ("below", "<", "must be below"),
)
ROOTS = ("candidate", "running", "environment", "promotion", "analysis", "plan", "request")
"""First names of evidence paths."""


def threshold_rules(path: str, threshold: Threshold) -> list[Rule]:
    """The CEL rules of one threshold; a path that starts with no root belongs to the candidate."""
    full = path if re.split(r"[.\[]", path, maxsplit=1)[0] in ROOTS else f"candidate.{path}"
    rules = []
    for field, operator, words in _BOUNDS:
        bound = getattr(threshold, field)
        if bound is not None:
            rules.append(
                Rule(
                    expression=f"{full} {operator} {number(bound)}",
                    message=threshold.message or f"{full} {words} {bound:g}",
                )
            )
    return rules


def number(value: float) -> str:
    """A CEL double literal that reads back equal."""
    text = repr(float(value))
    return text if re.search(r"[.e]", text) else f"{text}.0"


def gate_of(name: str, file: GateFile) -> GateDefinition:
    """The gate that a file means: thresholds first, then rules."""
    rules = [rule for path, threshold in file.thresholds.items() for rule in threshold_rules(path, threshold)]
    rules += [Rule(expression=rule.expression.strip(), message=rule.message) for rule in file.rules]
    return GateDefinition(
        name=name,
        description=file.description,
        owner=file.owner,
        on=file.on,
        match=file.match,
        variables=file.variables,
        rules=rules,
    )
