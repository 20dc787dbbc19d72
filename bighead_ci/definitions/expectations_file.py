"""`expectations.yaml` of a feature set or model version: the one reader that `check`, the plan and the stages share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bighead_ci.definitions.expectation_types import faults
from bighead_ci.definitions.yaml_reader import Parsed, parse
from bighead_ci.documents.expectation import Argument, Expectation
from bighead_ci.errors import InputError, Problem
from bighead_ci.ports.tree import Tree

FILE = "expectations.yaml"
_FORM = "{type: expect_column_values_to_not_be_null, column: distance}"
_NO_ARGUMENTS = ("type", "kwargs", "meta", "notes")
"""Keys of an expectation that are no arguments of its type; `meta` and `notes` are for people."""


@dataclass(frozen=True)
class ExpectationsFile:
    """What a file holds, and what is wrong with it."""

    file: str
    expectations: list[Expectation] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    parsed: Parsed | None = None

    def where(self, expectation: Expectation, argument: Argument) -> Argument:
        """Where an argument of an expectation stands in the file."""
        index = int(expectation.place.split(".")[1])
        written = self.parsed.data["expectations"][index] if self.parsed else {}
        return ("expectations", index, *_steps(written, argument))

    def line(self, where: Argument) -> int | None:
        """The line of a place in the file."""
        return None if self.parsed is None else self.parsed.line(where)


def read_expectations(tree: Tree, folder: str) -> ExpectationsFile:
    """The expectations beside a definition (`features/<name>/v<N>`, `models/<name>/v<N>`); none without the file."""
    file = f"{folder}/{FILE}"
    try:
        raw = tree.read(file)
    except KeyError:
        return ExpectationsFile(file)
    parsed, problems = parse(file, raw)
    if parsed is None:
        return ExpectationsFile(file, problems=problems)
    listed = parsed.data.get("expectations") if isinstance(parsed.data, dict) else None
    if not isinstance(listed, list):
        message = "must be a list of expectations, each with a type and its arguments"
        problem = Problem(file=file, line=1, subject="expectations", message=message, allowed=f"- {_FORM}")
        return ExpectationsFile(file, problems=[*problems, problem], parsed=parsed)
    wrong = [problem for index, one in enumerate(listed) for problem in _problems(parsed, index, one)]
    found = [] if wrong else [_expectation(index, one) for index, one in enumerate(listed)]
    return ExpectationsFile(file, found, [*problems, *wrong], parsed)


def load_expectations(tree: Tree, folder: str) -> list[Expectation]:
    """The expectations beside a definition; empty without the file.

    Raises:
        InputError: the file has problems.
    """
    found = read_expectations(tree, folder)
    if found.problems:
        raise InputError(found.problems)
    return found.expectations


def _expectation(index: int, written: Mapping[str, Any]) -> Expectation:
    return Expectation(place=f"expectations.{index}", type=written["type"], arguments=_arguments(written))


def _arguments(written: Mapping[str, Any]) -> dict[str, Any]:
    beside = {name: value for name, value in written.items() if name not in _NO_ARGUMENTS}
    return {**beside, **(written.get("kwargs") or {})}


def _steps(written: Mapping[str, Any], argument: Argument) -> Argument:
    return argument if not argument or argument[0] in written else ("kwargs", *argument)


def _problems(parsed: Parsed, index: int, written: Any) -> Iterator[Problem]:
    def problem(
        steps: Argument, message: str, value: object, allowed: str | None, suggestion: str | None = None
    ) -> Problem:
        place: Argument = ("expectations", index, *steps)
        return Problem(
            file=parsed.file,
            line=parsed.line(place),
            subject=".".join(map(str, place)),
            message=message,
            value=None if value is None else str(value)[:80],
            allowed=allowed,
            suggestion=suggestion,
        )

    if not isinstance(written, dict) or not isinstance(written.get("type"), str):
        yield problem((), "must be a mapping with a type and its arguments", written, _FORM)
        return
    nested = written.get("kwargs") if written.get("kwargs") is not None else {}
    if not isinstance(nested, dict):
        yield problem(("kwargs",), "must be a mapping", nested, "{column: distance}")
        return
    for name in written.keys() & nested.keys() - set(_NO_ARGUMENTS):
        yield problem((str(name),), "is given beside the type and below kwargs", name, "one of the two places")
    names = [(place, name) for place, found in (((), written), (("kwargs",), nested)) for name in found]
    wrong = [(place, name) for place, name in names if not isinstance(name, str)]
    for place, name in wrong:
        yield problem(place, "the name of an argument must be text", name, "column, min_value, …")
    for fault in faults(written["type"], _arguments(written)) if not wrong else ():
        yield problem(_steps(written, fault.where), fault.message, fault.value, fault.allowed, fault.suggestion)
