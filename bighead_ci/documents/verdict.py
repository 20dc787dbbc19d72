"""Gates and what they say."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bighead_ci.documents.base import Document, Name

Occasion = Literal["pull_request", "promotion", "canary"]


class Rule(Document):
    """One expression that must be true."""

    expression: str
    message: str
    """For people, said when the rule fails."""


class GateDefinition(Document):
    """A policy (`policies/<name>.yaml`)."""

    name: Name
    description: str
    owner: str
    on: list[Occasion]
    match: str | None = None
    """CEL; the gate applies where it is true. None: always."""
    variables: dict[str, str] = Field(default_factory=dict)
    """Name → CEL; usable as `variables.<name>` in the rules."""
    rules: list[Rule]


class RuleResult(Document):
    """One rule with its verdict and the inputs it read."""

    expression: str
    message: str
    passed: bool
    reason: str
    """Why it failed: false, or the error (missing evidence fails closed). Empty when it passed."""
    inputs: dict[str, str]
    """Path → value of each input the expression names; `missing` where there is none."""


class GateResult(Document):
    """One gate's verdict."""

    gate: Name
    description: str
    applied: bool
    """False: its match condition says that it is not about this."""
    passed: bool
    rules: list[RuleResult]
    match: RuleResult | None = None
    """The match condition, judged; None if the gate has none."""


class Verdict(Document):
    """All gates of one occasion."""

    occasion: Occasion
    gates: list[GateResult]

    @property
    def passed(self) -> bool:
        """True when every gate that applies passed."""
        return all(gate.passed for gate in self.gates if gate.applied)

    @property
    def failures(self) -> list[tuple[str, RuleResult]]:
        """(gate, rule) of each failed rule."""
        return [(g.gate, r) for g in self.gates if g.applied for r in g.rules if not r.passed]
