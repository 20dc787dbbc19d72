"""Validates one authored file against its document: every error with line, field, value and what would be right."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bighead_ci.definitions.schema import KINDS, PATTERN_WORDS, subschema
from bighead_ci.definitions.yaml_reader import Parsed, parse
from bighead_ci.documents.base import Document
from bighead_ci.errors import Problem
from bighead_ci.words import closest

_LONGEST_VALUE = 80
_WORDS = {
    "missing": "is required",
    "extra_forbidden": "there is no such field",
    "union_tag_not_found": "is required here",
    "timezone_aware": "needs a zone: 2013-10-01T00:00:00Z",
    "model_type": "must be a mapping of fields",
    "dict_type": "must be a mapping",
    "list_type": "must be a list",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
}


def validate(kind: str, file: str, raw: bytes) -> tuple[Document | None, Parsed | None, list[Problem]]:
    """Read one file of a kind; the document is None exactly when there are problems."""
    parsed, problems = parse(file, raw)
    if parsed is None:
        return None, None, problems
    if not isinstance(parsed.data, dict):
        given = "nothing" if parsed.data is None else type(parsed.data).__name__
        wrong = Problem(
            file=file, line=1, message="the file must be a mapping of fields", value=given, allowed=_fields(kind, ())
        )
        return None, parsed, [*problems, wrong]
    try:
        document = KINDS[kind].validate_json(json.dumps(parsed.data), strict=True)
    except ValidationError as error:
        found = [_problem(kind, parsed, details) for details in error.errors(include_url=False)]
        return None, parsed, [*problems, *found]
    return (None if problems else document), parsed, problems


def _problem(kind: str, parsed: Parsed, details: ErrorDetails) -> Problem:
    """One error of pydantic as a problem with its place."""
    location = _location(details["loc"]) or _discriminator(details)
    where, name = location[:-1], str(location[-1]) if location else ""
    message, allowed, suggestion = _message(details), None, None
    value: str | None = _shown(details["input"])
    context = details.get("ctx", {})
    if details["type"] == "extra_forbidden":
        known = subschema(kind, where).get("properties", {})
        allowed, suggestion = ", ".join(sorted(known)), closest(name, known)
    elif details["type"] == "missing":
        value, allowed = None, _described(kind, location)
    elif details["type"] in {"literal_error", "union_tag_invalid", "union_tag_not_found"}:
        choices = _choices(kind, _location(details["loc"]), context)
        message = message if details["type"] == "union_tag_not_found" else "is not one of the allowed values"
        allowed, suggestion = ", ".join(choices), closest(str(context.get("tag", details["input"])), choices)
    elif details["type"] == "string_pattern_mismatch":
        message, allowed = "is not written as it must be", PATTERN_WORDS.get(context["pattern"], context["pattern"])
    subject = ".".join(str(step) for step in _path(parsed, location))
    return Problem(
        file=parsed.file,
        line=parsed.line(location),
        subject=subject,
        message=message,
        value=value,
        allowed=allowed or None,
        suggestion=suggestion,
    )


def _location(steps: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Pydantic marks an error of a mapping's key with a last step `[key]`, which is no place in the file."""
    return tuple(step for step in steps if step != "[key]")


def _discriminator(details: ErrorDetails) -> tuple[str, ...]:
    """The field that tells what a whole file is, where that is what is wrong."""
    named = str(details.get("ctx", {}).get("discriminator", ""))
    return (named.strip("'"),) if named else ()


def _path(parsed: Parsed, location: tuple[int | str, ...]) -> list[int | str]:
    """The location without the names of union members, which are not in the file."""
    here: Any = parsed.data
    path: list[int | str] = []
    for index, step in enumerate(location):
        has = (isinstance(here, dict) and step in here) or (isinstance(here, list) and isinstance(step, int))
        if has:
            here = here[step]
        elif index != len(location) - 1:
            continue
        path.append(step)
    return path


def _message(details: ErrorDetails) -> str:
    kind = details["type"]
    if kind in _WORDS:
        return _WORDS[kind]
    return details["msg"].removeprefix("Value error, ").removeprefix("Input ")


def _choices(kind: str, location: tuple[int | str, ...], context: dict[str, Any]) -> list[str]:
    schema = subschema(kind, location)
    found = schema.get("enum") or list(schema.get("discriminator", {}).get("mapping", {}))
    if not found and "const" in schema:
        found = [schema["const"]]
    return [str(choice) for choice in found] or [str(context.get("expected", context.get("expected_tags", "")))]


def _fields(kind: str, location: tuple[int | str, ...]) -> str:
    return ", ".join(sorted(subschema(kind, location).get("properties", {})))


def _described(kind: str, location: tuple[int | str, ...]) -> str | None:
    schema = subschema(kind, location)
    if "enum" in schema:
        return ", ".join(str(choice) for choice in schema["enum"])
    words = PATTERN_WORDS.get(str(schema.get("pattern")))
    return words or _fields(kind, location) or schema.get("description") or schema.get("type")


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
