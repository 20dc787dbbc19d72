"""The text of a lock: exact pins with hashes, as `uv pip compile` writes them.

What a version's lock says together with the one that it shares: `shared_locks`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bighead_ci.errors import Problem

HOW = "uv pip compile --universal --generate-hashes --no-emit-index-url"
"""The command that writes a lock."""
HEADER = "# Written by `bighead lock`. Asked for beside what the engine needs: "
"""First line of a lock, before what its authors asked for."""
ALLOWED = "name==version with hashes"


@dataclass(frozen=True)
class Pin:
    """One locked distribution."""

    name: str
    """Normalised: `scikit-learn`."""
    version: str
    marker: str
    """Where it is for (`sys_platform == 'linux'`); empty: everywhere."""
    line: int
    text: str
    """Its lines as they are, hashes and all."""

    def is_for(self, environment: dict[str, str] | None = None) -> bool:
        """Whether it is for this platform, or for another whose marker variables are given."""
        requirement = Requirement(f"{self.name} ; {self.marker}" if self.marker else self.name)
        return requirement.marker is None or requirement.marker.evaluate(environment)


@dataclass(frozen=True)
class NoPin:
    """A statement of a lock that is no pin."""

    line: int
    statement: str
    """On one line, without comments."""
    why: str

    def problem(self, file: str, why: str | None = None, allowed: str = ALLOWED) -> Problem:
        """What is wrong with it in a file where only what is allowed may stand."""
        return Problem(file=file, line=self.line, message=why or self.why, value=self.statement, allowed=allowed)


def read_pins(file: str, raw: bytes) -> tuple[list[Pin], list[Problem]]:
    """The pins of a lock that names no other, whatever platform they are for, and every line that is not one.

    What a version's lock says together with the one that it may share: `shared_locks.read_lock`.
    """
    pins, others, problems = read_statements(file, raw)
    return pins, problems + [one.problem(file) for one in others]


def read_statements(file: str, raw: bytes) -> tuple[list[Pin], list[NoPin], list[Problem]]:
    """The pins of a lock, its other statements, and the problem that it is not text."""
    try:
        found = _statements(raw)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return [], [], [Problem(file=file, line=line, message="file is not UTF-8 text")]
    return [one for one in found if isinstance(one, Pin)], [one for one in found if isinstance(one, NoPin)], []


def header(raw: bytes) -> bytes:
    """The first line of a lock that `bighead lock` wrote; empty for one that somebody else wrote."""
    first, end, _ = raw.partition(b"\n")
    return first + end if first.startswith(HEADER.encode()) else b""


def asked_for(raw: bytes) -> list[str]:
    """What the authors of a lock asked for beside what the engine needs, by its first line."""
    first = raw.decode("utf-8", "replace").split("\n", 1)[0]
    if not first.startswith(HEADER):
        return []
    try:
        asked = shlex.split(first.removeprefix(HEADER))
    except ValueError:  # a quote that somebody who edited the line left open
        asked = first.removeprefix(HEADER).split()
    return [] if asked == ["nothing"] else asked


def asking_for(requirements: Sequence[str]) -> bytes:
    """The first line that says what its authors ask for; a requirement with a marker is quoted."""
    return f"{HEADER}{shlex.join(requirements) or 'nothing'}\n".encode()


def packages(pins: Iterable[Pin]) -> dict[str, str]:
    """Distribution → version; several versions, for several platforms, are joined by `, `."""
    found: dict[str, list[str]] = {}
    for pin in pins:
        found.setdefault(pin.name, []).append(pin.version)
    return {name: ", ".join(dict.fromkeys(versions)) for name, versions in sorted(found.items())}


@lru_cache(maxsize=64)
def _statements(raw: bytes) -> tuple[Pin | NoPin, ...]:
    """Of a text once: thousands of versions may share it."""
    return tuple(_statement(*one) for one in _joined(raw.decode("utf-8")))


def _joined(text: str) -> Iterator[tuple[int, str, str]]:
    """(first line, lines as they are, the same as one line without comments) of each statement."""
    joined, first, lines = "", 0, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        first, lines = (first, [*lines, line]) if joined else (number, [line])
        joined += re.sub(r"(^|\s)#.*$", "", line)
        if joined.endswith("\\"):
            joined = joined[:-1] + " "
            continue
        if joined.strip():
            yield first, "\n".join(lines) + "\n", joined
        joined = ""
    if joined.strip():  # continued on a line that is not there: no statement, lest it swallow what is put after it
        yield first, "\n".join(lines) + "\n", joined + "\\"


def _statement(line: int, text: str, joined: str) -> Pin | NoPin:
    without, hashes = re.subn(r"--hash=\S+", "", joined)
    statement = without.strip()
    if statement.startswith("-"):
        why = "an option: a lock holds pins and nothing else, so that it means the same wherever it is installed"
        return NoPin(line, joined.strip(), why)
    try:
        requirement = Requirement(statement)
    except InvalidRequirement as error:
        return NoPin(line, statement, str(error))
    clauses = list(requirement.specifier)
    if requirement.url or [clause.operator for clause in clauses] != ["=="] or "*" in clauses[0].version:
        return NoPin(line, statement, "is not an exact pin")
    if not hashes:
        return NoPin(line, statement, "has no hash: what is installed could be something else")
    marker = str(requirement.marker) if requirement.marker else ""
    return Pin(canonicalize_name(requirement.name), clauses[0].version, marker, line, text)
