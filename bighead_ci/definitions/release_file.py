"""The release file: how a release is written, and how what was written so is read again without a YAML parser.

Main has thousands of releases, and its history tens of thousands: a YAML parser takes milliseconds for each. Nearly all
are as `render_release` wrote them, so those are read by their form; any other text goes through YAML, with the line of
each problem.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from bighead_ci.definitions.files import Place, name_problems
from bighead_ci.definitions.validation import validate
from bighead_ci.documents.release import Release
from bighead_ci.errors import InputError

_HEADER = """\
# What serves this model here. Written by `bighead promote`, `bighead advance` and `bighead rollback`, each by a pull
# request; checks refuse any other edit. To take a change back: `bighead rollback`, or `git revert` of its commit.
"""
_LINE = re.compile(r"(  - |    |  )([a-z_]+): (.+)")
_INTEGER = re.compile(r"0|[1-9][0-9]{0,8}")
_NEW_VARIANT, _OF_VARIANT, _OF_CANARY = "  - ", "    ", "  "


def render_release(release: Release) -> str:
    """The release file's text: same release, same bytes."""
    return _HEADER + _body(release)


def _body(release: Release) -> str:
    lines = ["variants:"]
    for variant in release.variants:
        lines += [
            f"  - version: {variant.version}",
            f"    image: {variant.image}",
            f"    artifact: {variant.artifact}",
            f"    run: {_quoted(variant.run)}",
            f"    commit: {_quoted(variant.commit)}",
            f"    weight: {variant.weight}",
        ]
    canary = release.canary
    lines += [
        "canary:",
        f"  steps: [{', '.join(map(str, canary.steps))}]",
        f"  soak: {canary.soak}",
        f"  minimum_requests: {canary.minimum_requests}",
        f"  person_above: {canary.person_above}",
    ]
    return "\n".join(lines) + "\n"


def read_release(environment: str, model: str, raw: bytes) -> Release:
    """A release file's content.

    Raises:
        InputError: every problem of the file and its name, by line.
    """
    place = Place("release", model, environment)
    problems = [*name_problems(Place("environment", environment)), *name_problems(place)]
    release = parse_rendered(raw)
    if release is None:
        document, _, found = validate("release", place.file, raw)
        problems += found
        release = document if isinstance(document, Release) else None
    if problems or release is None:
        raise InputError(problems)
    return release


def parse_rendered(raw: bytes) -> Release | None:
    """The release that is written exactly so, whatever comment stands above it; None for any other text."""
    try:
        lines = raw.decode().split("\n")
    except UnicodeDecodeError:
        return None
    while lines and lines[0].startswith("#"):
        del lines[0]
    fields = _fields(lines)
    if fields is None:
        return None
    try:
        release = Release.model_validate(fields)
    except ValidationError:
        return None
    return release if _body(release) == "\n".join(lines) else None


def _fields(lines: list[str]) -> dict[str, Any] | None:
    """What lines of this form say; None where one has another."""
    variants: list[dict[str, Any]] = []
    canary: dict[str, Any] = {}
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None:
            if line in {"variants:", "canary:", ""}:
                continue
            return None
        indent, name, value = found.groups()
        if indent == _NEW_VARIANT:
            variants.append({})
        elif indent == _OF_VARIANT and not variants:
            return None
        (canary if indent == _OF_CANARY else variants[-1])[name] = _value(value)
    return {"variants": variants, "canary": canary}


def _value(text: str) -> Any:
    if text.startswith('"'):
        return text[1:-1]
    if text.startswith("["):
        return [int(one) for one in text[1:-1].split(", ") if _INTEGER.fullmatch(one)]
    return int(text) if _INTEGER.fullmatch(text) else text


def _quoted(text: str) -> str:
    """A YAML double-quoted scalar: a commit id may look like a number."""
    plain = (c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{"".join(plain)}"'
