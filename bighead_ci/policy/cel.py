"""Judges gates: CEL over evidence, failing closed.

A rule passes only if every input it names is there (or it tests for it itself) and its value is the boolean true.
The library returns errors as values and every value of it is truthy, so nothing here relies on truthiness; and since
CEL's `error || true` is true, missing inputs are looked for before an expression is evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cel_expr_python import cel

from bighead_ci.definitions.expressions import (
    VARIABLES,
    Expression,
    ExpressionError,
    Path,
    compile_expression,
    compile_value,
)
from bighead_ci.definitions.gate_file import ROOTS
from bighead_ci.documents.verdict import GateDefinition, GateResult, Occasion, RuleResult, Verdict

Evidence = Mapping[str, Any]
_LARGEST_INTEGER = 2**63 - 1
_LONGEST_VALUE = 120
_NO_EVIDENCE: dict[str, Any] = {root: {} for root in ROOTS}
"""CEL wants every declared root; one that is absent was found missing before."""


class _Missing:
    """Nothing there; also what is there but cannot be judged, such as NaN."""


MISSING = _Missing()


def evaluate(gates: Sequence[GateDefinition], occasion: Occasion, evidence: Evidence) -> Verdict:
    """Judge every gate that is on for the occasion; pure.

    Args:
        gates: From the base branch, in any order.
        occasion: What is being decided.
        evidence: Plain data by the paths in `definitions.vocabulary`; None, NaN and infinities count as missing.

    Returns:
        Results in the order of the gates' names.
    """
    plain = normalised(evidence)
    chosen = sorted((gate for gate in gates if occasion in gate.on), key=lambda gate: gate.name)
    return Verdict(occasion=occasion, gates=[_GateRun(gate, plain).result() for gate in chosen])


def normalised(evidence: Evidence) -> dict[str, Any]:
    """Evidence in plain types: times as RFC 3339, NumPy scalars as Python's, and nothing that is not a value."""
    return {root: plain for root, value in evidence.items() if (plain := _plain(value)) is not MISSING}


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one answer a type
    """The value in plain types, or MISSING. A list with a missing item is missing whole."""
    if hasattr(value, "item") and callable(value.item):  # a NumPy scalar
        value = value.item()
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST_INTEGER else MISSING
    if isinstance(value, float):
        return value if math.isfinite(value) else MISSING
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        items = {str(key): _plain(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not MISSING}
    if isinstance(value, list | tuple):
        found = [_plain(item) for item in value]
        return MISSING if any(item is MISSING for item in found) else found
    return MISSING


@dataclass(frozen=True)
class _Input:
    path: str
    value: Any
    excused: bool
    """Missing, but the expression tests for it."""


class _GateRun:
    """One gate on one evidence: variables first, in their order, each seeing the earlier ones."""

    def __init__(self, gate: GateDefinition, evidence: dict[str, Any]) -> None:
        self.gate = gate
        self.data: dict[str, Any] = evidence | {VARIABLES: {}}
        self.variables: dict[str, Expression] = {}
        self.errors: dict[str, str] = {}
        for name, text in gate.variables.items():
            self._define(name, text)

    def result(self) -> GateResult:
        gate = self.gate
        applied = True
        rules: list[RuleResult] = []
        match = None
        if gate.match is not None:
            match = self._rule(gate.match, "the gate's match condition cannot be judged")
            if match.reason == "false":
                applied = False
            elif not match.passed:
                rules = [match]
        if applied and not rules:
            rules = [self._rule(rule.expression, rule.message) for rule in gate.rules]
        passed = not applied or (bool(rules) and all(rule.passed for rule in rules))
        return GateResult(
            gate=gate.name, description=gate.description, applied=applied, passed=passed, rules=rules, match=match
        )

    def _define(self, name: str, text: str) -> None:
        try:
            compiled = compile_value(text)
        except ExpressionError as error:
            self.errors[name] = str(error)
            return
        value, reason = _value(compiled, self.data)
        self.variables[name] = compiled
        if reason:
            self.errors[name] = reason
        else:
            self.data[VARIABLES] = self.data[VARIABLES] | {name: value}

    def _rule(self, text: str, message: str) -> RuleResult:
        try:
            compiled = compile_expression(text)
        except ExpressionError as error:
            reason = f"does not compile: {error}"
            return RuleResult(expression=text, message=message, passed=False, reason=reason, inputs={})
        inputs = self._inputs(compiled)
        shown = {found.path: _shown(found.value) for found in inputs}
        missing = [found.path for found in inputs if found.value is MISSING and not found.excused]
        reason = f"missing evidence: {', '.join(missing)}" if missing else self._judge(compiled)
        broken = [f"{VARIABLES}.{name}: {said}" for name, said in self.errors.items() if f"{VARIABLES}.{name}" in text]
        reason = "; ".join([reason, *broken]) if reason else reason
        return RuleResult(expression=text, message=message, passed=not reason, reason=reason, inputs=shown)

    def _judge(self, compiled: Expression) -> str:
        """Empty if the expression is the boolean true, else why not."""
        value, reason = _value(compiled, self.data)
        if reason:
            return reason
        if value is True:
            return ""
        return "false" if value is False else f"must be true or false, but it is {_shown(value)}"

    def _inputs(self, compiled: Expression) -> list[_Input]:
        reads, tests = list(compiled.reads), set(compiled.tests)
        found: dict[str, _Input] = {}
        done: set[Path] = set()
        while reads:
            path = reads.pop(0)
            if path in done:
                continue
            done.add(path)
            variable = self._variable(path)
            if variable is not None:
                reads += variable.reads
                tests |= variable.tests
                continue
            reads += [step for step in path.steps if isinstance(step, Path)]
            self._note(path, found)
        excuses = {self._resolve(test) for test in tests}
        return [
            _Input(item.path, item.value, any(_within(self._first_missing(item.path), e) for e in excuses))
            if item.value is MISSING
            else item
            for item in sorted(found.values(), key=lambda item: item.path)
        ]

    def _variable(self, path: Path) -> Expression | None:
        if path.steps[0] != VARIABLES or len(path.steps) == 1:
            return None
        return self.variables.get(str(path.steps[1]))

    def _note(self, path: Path, found: dict[str, _Input]) -> None:
        steps = self._resolve(path)
        shown = str(path) if steps is None else _joined(steps)
        found[shown] = _Input(shown, MISSING if steps is None else _look_up(self.data, steps), False)

    def _resolve(self, path: Path) -> tuple[str | int, ...] | None:
        """The path with its computed steps filled in; None if one of them is missing."""
        steps: list[str | int] = []
        for step in path.steps:
            if not isinstance(step, Path):
                steps.append(step)
                continue
            inner = self._resolve(step)
            value = MISSING if inner is None else _look_up(self.data, inner)
            if not isinstance(value, str | int):
                return None
            steps.append(value)
        return tuple(steps)

    def _first_missing(self, shown: str) -> tuple[str, ...]:
        """The shortest beginning of a missing path that is not there."""
        steps = tuple(shown.split("."))
        for length in range(1, len(steps) + 1):
            if _look_up(self.data, steps[:length]) is MISSING:
                return steps[:length]
        return steps


def _within(missing: tuple[str, ...], excuse: tuple[str | int, ...] | None) -> bool:
    return excuse is not None and missing == tuple(str(step) for step in excuse)


def _joined(steps: tuple[str | int, ...]) -> str:
    return ".".join(str(step) for step in steps)


def _look_up(data: Any, steps: Sequence[str | int]) -> Any:
    here = data
    for step in steps:
        if isinstance(here, Mapping) and str(step) in here:
            here = here[str(step)]
        elif isinstance(here, list) and str(step).isdigit() and int(step) < len(here):
            here = here[int(step)]
        else:
            return MISSING
    return here


def _value(compiled: Expression, data: dict[str, Any]) -> tuple[Any, str]:
    """(value, "") or (None, why there is none)."""
    try:
        result = compiled.program.eval(data=_NO_EVIDENCE | data)
    except (RuntimeError, ValueError, TypeError) as error:  # e.g. the loop budget is used up
        return None, f"cannot be evaluated: {error}"
    kind = result.type()
    if kind == cel.Type.ERROR or kind == cel.Type.UNKNOWN:  # noqa: PLR1714 - the types are not hashable
        return None, f"cannot be evaluated: {result.value()}"
    return result.plain_value(), ""


def _shown(value: Any) -> str:
    if value is MISSING:
        return "missing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | dict):
        text = str(value)
        return text if len(text) <= _LONGEST_VALUE else f"{len(value)} items"
    return str(value)
