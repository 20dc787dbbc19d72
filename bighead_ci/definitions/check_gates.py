"""Problems of gates: expressions that do not compile, or name evidence that never is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bighead_ci.definitions.expressions import (
    VARIABLES,
    ExpressionError,
    Path,
    compile_expression,
    compile_value,
)
from bighead_ci.definitions.files import Files, Place, Read
from bighead_ci.definitions.gate_file import GateFile, threshold_rules
from bighead_ci.definitions.vocabulary import Steps, filled, is_known, known_beside
from bighead_ci.errors import Problem
from bighead_ci.words import closest

Where = tuple[str | int, ...]


def gate_problems(files: Files, place: Place) -> Iterator[Problem]:
    """Everything wrong with one gate beyond its schema."""
    gate, read = files.gate(place.name), files.read(place)
    if gate is None or read is None:
        return
    run = _Gate(place.file, read, gate, files.names("environment"), set())
    for name, text in gate.variables.items():
        yield from _expression_problems(run, ("variables", name), text, is_rule=False)
        run.variables.add(name)
    if gate.match is not None:
        yield from _expression_problems(run, ("match",), gate.match)
    for path, threshold in gate.thresholds.items():
        for generated in threshold_rules(path, threshold):
            yield from _expression_problems(run, ("thresholds", path), generated.expression, is_authored=False)
    for index, rule in enumerate(gate.rules):
        yield from _expression_problems(run, ("rules", index, "expression"), rule.expression)


@dataclass(frozen=True)
class _Gate:
    file: str
    read: Read
    gate: GateFile
    environments: list[str]
    variables: set[str]
    """Those defined so far."""


def _expression_problems(
    run: _Gate, where: Where, text: str, *, is_rule: bool = True, is_authored: bool = True
) -> Iterator[Problem]:
    try:
        compiled = compile_expression(text.strip()) if is_rule else compile_value(text.strip())
    except ExpressionError as error:
        first = run.read.parsed.text_line(where) if run.read.parsed and is_authored else None
        problem = run.read.problem(run.file, where, str(error), text.strip())
        yield problem if first is None else replace(problem, line=first + error.line - 1)
        return
    for path in compiled.reads:
        steps = tuple(None if isinstance(step, Path) else step for step in path.steps)
        if steps[0] != VARIABLES:
            yield from _evidence_problems(run, where, str(path), steps)
        elif path.variable is not None and path.variable not in run.variables:
            message = "there is no such variable before this"
            yield run.read.problem(run.file, where, message, path.variable, run.variables)


def _evidence_problems(run: _Gate, where: Where, path: str, steps: Steps) -> Iterator[Problem]:
    environment = steps[1] if steps[0] == "running" and len(steps) > 1 else None
    if isinstance(environment, str) and environment not in run.environments:
        # Nothing would ever serve there: a `match` that asks for it would keep the gate from ever being judged.
        yield run.read.problem(run.file, where, "there is no such environment", environment, run.environments)
    for occasion in run.gate.on:
        if not is_known(occasion, steps):
            message = f"no evidence on a {occasion} has this path"
            problem = run.read.problem(run.file, where, message, path, wanted=", ".join(known_beside(occasion, steps)))
            yield replace(problem, suggestion=closest(path, filled(occasion, steps)))
