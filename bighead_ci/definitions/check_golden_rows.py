"""Problems of golden rows: each is a mapping of the estimator's inputs to values of their types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bighead_ci.definitions.check_expectations import feature_names
from bighead_ci.definitions.files import Files, Place, read_golden_rows
from bighead_ci.definitions.yaml_reader import parse
from bighead_ci.documents.definition import ModelDefinition, RequestField
from bighead_ci.errors import Problem
from bighead_ci.features.naming import full_name
from bighead_ci.words import closest

_LONGEST_VALUE = 80


def golden_row_problems(files: Files, place: Place, definition: ModelDefinition | None) -> Iterator[Problem]:
    """Rows that are no mappings, name what is no input, or hold what an input cannot be."""
    file = f"{place.folder}/golden_rows.json"
    rows, problems = read_golden_rows(files.tree, place.folder)
    yield from problems
    if problems:
        return
    if not isinstance(rows, list) or not rows:
        yield Problem(file=file, line=1, message="must be a list of one row or more, each a mapping of inputs")
        return
    found = [
        problem for index, row in enumerate(rows) for problem in _row_problems(files, definition, file, index, row)
    ]
    if found:
        yield from _with_lines(found, files.tree.read(file))


def _row_problems(
    files: Files, definition: ModelDefinition | None, file: str, index: int, row: Any
) -> Iterator[Problem]:
    if not isinstance(row, dict):
        yield Problem(file=file, subject=str(index), message="a row must be a mapping of inputs", value=_shown(row))
        return
    known = None if definition is None else inputs_of(files, definition)
    for name in sorted(row.keys() - (known if known is not None else row.keys())):
        message = "is no input of the estimator"
        allowed = ", ".join(sorted(known or ()))
        yield Problem(
            file=file,
            subject=f"{index}.{name}",
            message=message,
            value=name,
            allowed=allowed,
            suggestion=closest(name, known or ()),
        )
    for name, field in (definition.request if definition else {}).items():
        if row.get(name) is not None and field.use == "input" and (wanted := _expected(field, row[name])):
            yield Problem(
                file=file,
                subject=f"{index}.{name}",
                message=f"is no {field.type}",
                value=_shown(row[name]),
                allowed=wanted,
            )


def _expected(field: RequestField, value: Any) -> str:
    """What the value should have been; empty if it is right. Any number is right for any type of number."""
    if field.size is not None:
        right = isinstance(value, list) and len(value) == field.size and all(_is_number(item) for item in value)
        return "" if right else f"a list of {field.size} numbers, or null"
    if field.type == "string":
        return "" if isinstance(value, str) else "text, or null"
    return "" if _is_number(value) else "true, false or null" if field.type == "bool" else "a number, or null"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _with_lines(problems: list[Problem], raw: bytes) -> Iterator[Problem]:
    """The problems with the lines they are at: JSON is YAML, whose reader knows lines. Names may have dots in them."""
    parsed, _ = parse("", raw)
    for problem in problems:
        line = parsed.line(problem.subject.split(".", 1)) if parsed else None
        yield replace(problem, line=line)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def inputs_of(files: Files, definition: ModelDefinition) -> set[str] | None:
    """Names of the estimator's inputs; None if a feature set cannot be read."""
    found = {name for name, field in definition.request.items() if field.use == "input"}
    for use in definition.features:
        used = files.feature_set(use.set)
        if used is None:
            return None
        name = use.set.split("/", 1)[0]
        found |= {full_name(name, feature) for feature in use.columns or feature_names(used)}
    return found
