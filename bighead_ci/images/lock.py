"""`requirements.lock`: exact pins with hashes, and whether an interpreter already satisfies them."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from bighead_ci.errors import InputError, Problem


def read_pins(lock: Path) -> list[Requirement]:
    """The pins of a lock file, whatever platform they are for.

    Raises:
        InputError: no such file; or lines that are not exact pins, all of them.
    """
    if not lock.is_file():
        raise InputError(
            [
                Problem(
                    file=str(lock),
                    line=None,
                    subject="",
                    message="the model version has no requirements.lock",
                    suggestion="uv pip compile --universal --generate-hashes --no-emit-index-url",
                )
            ]
        )
    pins: list[Requirement] = []
    problems: list[Problem] = []
    for number, text in _statements(lock.read_text(encoding="utf-8")):
        try:
            pin = Requirement(text)
        except InvalidRequirement as error:
            problems.append(_problem(lock, number, text, str(error)))
            continue
        if pin.url or [clause.operator for clause in pin.specifier] != ["=="] or "*" in str(pin.specifier):
            problems.append(_problem(lock, number, text, "is not an exact pin"))
            continue
        pins.append(pin)
    if problems:
        raise InputError(problems)
    return pins


def unsatisfied(pins: list[Requirement]) -> list[str]:
    """Pins for this platform that the running interpreter does not meet: `numpy==2.4.6 (has 2.3.0)`."""
    missing = []
    for pin in pins:
        if pin.marker is not None and not pin.marker.evaluate():
            continue
        try:
            installed = metadata.version(pin.name)
        except metadata.PackageNotFoundError:
            missing.append(f"{pin.name}{pin.specifier} (not installed)")
            continue
        if not pin.specifier.contains(installed, prereleases=True):
            missing.append(f"{pin.name}{pin.specifier} (has {installed})")
    return missing


def _statements(text: str) -> list[tuple[int, str]]:
    """(first line number, requirement without hashes) of each statement."""
    found = []
    joined, first = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        first = first if joined else number
        joined += re.sub(r"(^|\s)#.*$", "", line)
        if joined.endswith("\\"):
            joined = joined[:-1] + " "
            continue
        statement = re.sub(r"--hash=\S+", "", joined).strip()
        if statement:
            found.append((first, statement))
        joined = ""
    return found


def _problem(lock: Path, line: int, text: str, message: str) -> Problem:
    return Problem(
        file=str(lock), line=line, subject="", message=message, value=text, allowed="name==version, with hashes"
    )
