"""`training.lock` and `serving.lock` of a model version: exact pins with hashes, as `uv pip compile` writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bighead_ci.errors import Problem

HOW = "uv pip compile --universal --generate-hashes --no-emit-index-url"
"""The command that writes a lock."""
HEADER = "# Written by `bighead lock`. Asked for beside what the engine needs: "
"""First line of a lock, before what its authors asked for."""


@dataclass(frozen=True)
class Pin:
    """One locked distribution."""

    name: str
    """Normalised: `scikit-learn`."""
    version: str
    marker: str
    """Where it is for (`sys_platform == 'linux'`); empty: everywhere."""
    line: int

    def is_for(self, environment: dict[str, str] | None = None) -> bool:
        """Whether it is for this platform, or for another whose marker variables are given."""
        requirement = Requirement(f"{self.name} ; {self.marker}" if self.marker else self.name)
        return requirement.marker is None or requirement.marker.evaluate(environment)


def read_lock(file: str, raw: bytes) -> tuple[list[Pin], list[Problem]]:
    """The pins of a lock, whatever platform they are for, and every line that is not one."""
    pins: list[Pin] = []
    problems: list[Problem] = []
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return [], [Problem(file=file, line=line, message="file is not UTF-8 text")]
    for line, statement, hashes in _statements(text):
        pin = _pin(statement, line)
        if isinstance(pin, str):
            problems.append(_problem(file, line, statement, pin))
        elif not hashes:
            problems.append(_problem(file, line, statement, "has no hash: what is installed could be something else"))
        else:
            pins.append(pin)
    return pins, problems


def asked_for(raw: bytes) -> list[str]:
    """What the authors of a lock asked for beside what the engine needs, by its first line."""
    first = raw.decode("utf-8", "replace").split("\n", 1)[0]
    asked = first.removeprefix(HEADER).split() if first.startswith(HEADER) else []
    return [] if asked == ["nothing"] else asked


def packages(pins: list[Pin]) -> dict[str, str]:
    """Distribution → version; several versions, for several platforms, are joined by `, `."""
    found: dict[str, list[str]] = {}
    for pin in pins:
        found.setdefault(pin.name, []).append(pin.version)
    return {name: ", ".join(dict.fromkeys(versions)) for name, versions in sorted(found.items())}


def _pin(statement: str, line: int) -> Pin | str:
    """The pin that a statement is, or why it is none."""
    if statement.startswith("-"):
        return "an option: a lock holds pins and nothing else, so that it means the same wherever it is installed"
    try:
        requirement = Requirement(statement)
    except InvalidRequirement as error:
        return str(error)
    clauses = list(requirement.specifier)
    if requirement.url or [clause.operator for clause in clauses] != ["=="] or "*" in clauses[0].version:
        return "is not an exact pin"
    marker = str(requirement.marker) if requirement.marker else ""
    return Pin(canonicalize_name(requirement.name), clauses[0].version, marker, line)


def _statements(text: str) -> Iterator[tuple[int, str, int]]:
    """(first line, requirement without hashes, number of hashes) of each statement."""
    joined, first = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        first = first if joined else number
        joined += re.sub(r"(^|\s)#.*$", "", line)
        if joined.endswith("\\"):
            joined = joined[:-1] + " "
            continue
        statement, hashes = re.subn(r"--hash=\S+", "", joined)
        if statement.strip():
            yield first, statement.strip(), hashes
        joined = ""


def _problem(file: str, line: int, statement: str, message: str) -> Problem:
    allowed = "name==version with hashes"
    return Problem(file=file, line=line, message=message, value=statement, allowed=allowed)
