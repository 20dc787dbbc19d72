"""Gates and what they say."""

from __future__ import annotations

import json
import re
from typing import Literal

from pydantic import Field

from bighead_ci.documents.base import Document, Name

Occasion = Literal["pull_request", "promotion", "canary"]
EvidencePath = tuple[str | int, ...]
"""Where a value stands in the evidence, a step each: names of maps, places of lists. A name may hold any character."""

_IDENTIFIER = re.compile(r"(?!(?:true|false|null|in)$)[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
"""What CEL takes after a dot."""


def written_step(step: str | int) -> str:
    """One step as CEL writes it after the others: `.auc`, `["tail_history.x"]`, `[0]`."""
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _IDENTIFIER.fullmatch(step) else f"[{json.dumps(step, ensure_ascii=False)}]"


def written_path(path: EvidencePath) -> str:
    """A path as a rule would write it: `running.prod.request["tail_history.x"].type`."""
    return "".join(map(written_step, path)).removeprefix(".")


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


class RuleInput(Document):
    """One value that a rule read."""

    path: EvidencePath
    value: str
    """For people; `missing` where there is none."""

    @property
    def name(self) -> str:
        """The path as a rule would write it."""
        return written_path(self.path)


class RuleResult(Document):
    """One rule with its verdict and the inputs it read."""

    expression: str
    message: str
    passed: bool
    reason: str
    """Why it failed: false, or the error (missing evidence fails closed). Empty when it passed."""
    inputs: list[RuleInput]
    """Each input the expression names, once, in the order of their names."""


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
