"""Judges gates: CEL over evidence, failing closed.

A rule passes only if every input it names is there (or it tests for it itself) and its value is the boolean true.
The library returns errors as values and every value of it is truthy, so nothing here relies on truthiness; and since
CEL's `error || true` is true, missing inputs are looked for before an expression is evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
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
from bighead_ci.documents.verdict import (
    EvidencePath,
    GateDefinition,
    GateResult,
    Occasion,
    RuleInput,
    RuleResult,
    Verdict,
    written_path,
)

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
    """The value in plain types, or MISSING. A list with a missing item is missing whole.

    So is what holds a NUL, which CEL's library takes for the end of a text: a map with such a name, and a text.
    """
    if hasattr(value, "item") and callable(value.item):  # a NumPy scalar
        value = value.item()
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return MISSING if "\0" in value else value
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST_INTEGER else MISSING
    if isinstance(value, float):
        return value if math.isfinite(value) else MISSING
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        items = {str(key): _plain(item) for key, item in value.items()}
        if any("\0" in key for key in items):
            return MISSING
        return {key: item for key, item in items.items() if item is not MISSING}
    if isinstance(value, list | tuple):
        found = [_plain(item) for item in value]
        return MISSING if any(item is MISSING for item in found) else found
    return MISSING


@dataclass(frozen=True)
class _Reading:
    """What an expression reads, through its variables too."""

    places: dict[Path, EvidencePath | None]
    """Each path it names → where that is in the evidence; None where a computed step has no value."""
    excused: frozenset[EvidencePath]
    """Places whose absence the expression handles itself."""
    variables: frozenset[str]
    """Those it names, and those that these name."""


class _GateRun:
    """One gate on one evidence: variables first, in their order, each seeing the earlier ones."""

    def __init__(self, gate: GateDefinition, evidence: dict[str, Any]) -> None:
        self.gate = gate
        self.data: dict[str, Any] = evidence | {VARIABLES: {}}
        self.variables: dict[str, Expression] = {}
        self.paths: dict[str, Path] = {}
        """Variables that are nothing but a path."""
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
        if compiled.path is not None:
            self.paths[name] = self._followed(compiled.path)
        if reason:
            self.errors[name] = reason
        else:
            self.data[VARIABLES] = self.data[VARIABLES] | {name: value}

    def _rule(self, text: str, message: str) -> RuleResult:
        try:
            compiled = compile_expression(text)
        except ExpressionError as error:
            reason = f"does not compile: {error}"
            return RuleResult(expression=text, message=message, passed=False, reason=reason, inputs=[])
        reading = self._reading(compiled)
        missing = sorted(set(self._missing(reading)))
        reason = f"missing evidence: {', '.join(missing)}" if missing else self._judge(compiled)
        broken = [f"{VARIABLES}.{name}: {error}" for name, error in self.errors.items() if name in reading.variables]
        return RuleResult(
            expression=text,
            message=message,
            passed=not reason,
            reason="; ".join([reason, *broken]) if reason else "",
            inputs=self._inputs(reading),
        )

    def _judge(self, compiled: Expression) -> str:
        """Empty if the expression is the boolean true, else why not."""
        value, reason = _value(compiled, self.data)
        if reason:
            return reason
        if value is True:
            return ""
        return "false" if value is False else f"must be true or false, but it is {_shown(value)}"

    def _reading(self, compiled: Expression) -> _Reading:
        expressions, pending = [compiled], self._named(compiled)
        named: set[str] = set()
        while pending:
            named |= pending
            found = [self.variables[name] for name in sorted(pending) if name in self.variables]
            expressions += found
            pending = {name for one in found for name in self._named(one)} - named
        places = {path: self._resolve(path) for one in expressions for path in one.reads}
        tested = [self._resolve(path) for one in expressions for path in one.tests]
        return _Reading(
            # What a variable reads stands for the variable.
            places={path: place for path, place in places.items() if place is None or not self._is_variable(place)},
            excused=frozenset(place for place in tested if place is not None),
            variables=frozenset(named),
        )

    def _named(self, compiled: Expression) -> set[str]:
        """Variables that an expression itself names: all of them, where it computes the name."""
        paths = [path for path in compiled.reads if path.steps[0] == VARIABLES]
        return {name for path in paths for name in ([path.variable] if path.variable else self.gate.variables)}

    def _is_variable(self, place: EvidencePath) -> bool:
        """Whether a variable as a whole stands at a place, or all of them."""
        return place[0] == VARIABLES and (len(place) == 1 or (len(place) == 2 and place[1] in self.variables))  # noqa: PLR2004

    def _followed(self, path: Path) -> Path:
        """The path with each variable that is a path replaced by it: what variables are was worked out as they came."""
        steps = tuple(self._followed(step) if isinstance(step, Path) else step for step in path.steps)
        known = self.paths.get(path.variable or "")
        return Path(steps) if known is None else Path((*known.steps, *steps[2:]))

    def _resolve(self, path: Path) -> EvidencePath | None:
        """Where a path leads: variables followed, computed steps filled in; None without a value."""
        return self._place(self._followed(path))

    def _place(self, path: Path) -> EvidencePath | None:
        steps: list[str | int] = []
        for step in path.steps:
            if not isinstance(step, Path):
                steps.append(step)
                continue
            inner = self._place(step)
            value = MISSING if inner is None else _look_up(self.data, inner)
            if isinstance(value, bool) or not isinstance(value, str | int):
                return None
            steps.append(value)
        return tuple(steps)

    def _missing(self, reading: _Reading) -> Iterator[str]:
        """What an expression names without testing for it, and is not there."""
        for path, place in reading.places.items():
            if place is None:
                # Without the evidence of its step: that is missing too, unless the expression tests for it.
                inner = [self._resolve(step) for step in path.steps if isinstance(step, Path)]
                if not any(step is not None and self._is_excused(step, reading) for step in inner):
                    yield str(path)
            elif _look_up(self.data, place) is MISSING and not self._is_excused(place, reading):
                yield written_path(place)

    def _is_excused(self, place: EvidencePath, reading: _Reading) -> bool:
        """Whether the first step with nothing there is one that the expression tests for."""
        for length in range(1, len(place) + 1):
            if _look_up(self.data, place[:length]) is MISSING:
                return place[:length] in reading.excused
        return False

    def _inputs(self, reading: _Reading) -> list[RuleInput]:
        places = {place for place in reading.places.values() if place is not None}
        inputs = [RuleInput(path=place, value=_shown(_look_up(self.data, place))) for place in places]
        return sorted(inputs, key=lambda one: one.name)


def _look_up(data: Any, path: EvidencePath) -> Any:
    """What stands at a path, as CEL would find it: names in maps, places in lists."""
    here = data
    for step in path:
        if isinstance(step, str):
            here = here.get(step, MISSING) if isinstance(here, Mapping) else MISSING
        else:
            here = here[step] if isinstance(here, list) and 0 <= step < len(here) else MISSING
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
