"""Gates in Markdown: which failed and why, and all of them with what they read."""

from __future__ import annotations

from collections.abc import Sequence

from bighead_ci.documents.verdict import GateResult, RuleResult, Verdict
from bighead_ci.reporting.escaping import GAP, code, table, text
from bighead_ci.reporting.figures import plural

WHAT_TO_DO = (
    "Push a commit that mends this: the checks run again and this report is updated in place. "
    "The gates are main's; a change of policies/ in this pull request does not change its own verdict."
)
"""Under the gates that fail; `bighead explain` says more of one."""

_INPUTS = 8
_RULES = 100


def failing_rules(rules: Sequence[tuple[str, str, RuleResult]], most: int) -> str:
    """One item a rule, (whose, gate, rule): what it asks for, why it failed, what it read."""
    lines = []
    for whose, gate, rule in rules[:most]:
        lines.append(f"- ❌ {text(whose)}{' ' if whose else ''}**{text(gate)}**: {text(rule.message, 300)}")
        lines.append(
            "  " + " · ".join(part for part in (code(rule.expression, 300), *_reason_and_inputs(rule)) if part)
        )
    if len(rules) > most:
        lines.append(f"- … and {plural(len(rules) - most, 'more failing rule', 'more failing rules')}")
    return "\n".join(lines)


def reason(rule: RuleResult) -> str:
    """Why a rule failed, as far as its expression and what it read do not say it already."""
    return "" if rule.reason == "false" else rule.reason


def _reason_and_inputs(rule: RuleResult) -> tuple[str, str]:
    return text(reason(rule), 300), f"read {inputs(rule)}" if rule.inputs else ""


def inputs(rule: RuleResult) -> str:
    """`path` = value of each input, comma-separated."""
    shown = [f"{code(one.name)} = {text(one.value, 80)}" for one in rule.inputs[:_INPUTS]]
    if len(rule.inputs) > _INPUTS:
        shown.append(f"{len(rule.inputs) - _INPUTS:,} more")
    return ", ".join(shown)


def gate_table(verdict: Verdict) -> str:
    """Every rule of every gate that applies, failing gates first."""
    applied = sorted((g for g in verdict.gates if g.applied), key=lambda gate: gate.passed)
    rows = [row for gate in applied for row in _rows(gate)]
    left = [g.gate for g in verdict.gates if not g.applied]
    body = table(["gate", "rule", "read"], rows, most=_RULES) if rows else "No gate applies."
    return body + (f"\n\nNot about this: {', '.join(text(name) for name in left[:20])}." if left else "")


def _rows(gate: GateResult) -> list[list[str]]:
    # A message says what is wrong: beside a rule that holds it would say the opposite of what is true.
    return [
        [
            f"{'✅' if rule.passed else '❌'}{GAP}{text(gate.gate)}",
            f"{text(gate.description if rule.passed else rule.message)} {code(rule.expression, 300)}",
            inputs(rule),
        ]
        for rule in gate.rules
    ]
