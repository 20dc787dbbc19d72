"""The request of a model: what callers may send, checked against the artifact's manifest, every problem at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from bighead_ci.documents.base import epoch_us
from bighead_ci.documents.definition import ColumnType, RequestField

INT64 = 2**63
SHOWN = 80
"""Characters of a wrong value that are echoed to the caller."""


@dataclass(frozen=True)
class FieldProblem:
    """One field that is wrong, with what would be right."""

    field: str
    message: str
    value: str | None
    allowed: str

    def __str__(self) -> str:
        said = f"{self.message}; allowed: {self.allowed}"
        return f"{self.field}: {said}" if self.field else said

    def inside(self, place: str) -> FieldProblem:
        """The same of a field inside something."""
        return replace(self, field=f"{place}.{self.field}" if self.field else place)


class RequestError(Exception):
    """The request does not fit the schema; `problems` has every field that is wrong."""

    def __init__(self, problems: list[FieldProblem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems

    def as_json(self) -> dict[str, Any]:
        """The answer's body."""
        return {"error": str(self), "problems": [asdict(problem) for problem in self.problems]}


class _InvalidError(Exception):
    """The value is not of the type."""


def _int64(value: Any) -> int:
    if type(value) is not int or not -INT64 <= value < INT64:
        raise _InvalidError
    return value


def _float64(value: Any) -> float:
    if type(value) not in (int, float):
        raise _InvalidError
    try:
        number = float(value)
    except OverflowError as error:
        raise _InvalidError from error
    if not math.isfinite(number):
        raise _InvalidError
    return number


def _string(value: Any) -> str:
    """Text that every reader of it takes alike: half of a character pair is none, and many end a text at U+0000."""
    if type(value) is not str or "\0" in value:
        raise _InvalidError
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise _InvalidError from error
    return value


def _bool(value: Any) -> bool:
    if type(value) is not bool:
        raise _InvalidError
    return value


def _timestamp(value: Any) -> int:
    """Microseconds since 1970, UTC."""
    try:
        moment = datetime.fromisoformat(_string(value))
    except ValueError as error:
        raise _InvalidError from error
    if moment.tzinfo is None:
        raise _InvalidError
    return epoch_us(moment)


_CHECKS: dict[ColumnType, tuple[Callable[[Any], Any], str, type]] = {
    "int64": (_int64, "a whole number of 64 bits", int),
    "float64": (_float64, "a finite number of 64 bits", float),
    "string": (_string, "a string of whole Unicode characters without U+0000", str),
    "bool": (_bool, "true or false", bool),
    "timestamp": (_timestamp, "an ISO 8601 time with its zone", datetime),
}


@dataclass(frozen=True)
class Checked:
    """A request that fits: every declared field, None where it was not sent."""

    fields: dict[str, Any]
    unknown: int
    """Fields sent that this version does not know. They are ignored: another version may need them."""


class RequestSchema:
    """Checks requests against declared fields."""

    def __init__(self, fields: Mapping[str, RequestField]) -> None:
        self.fields = dict(fields)
        self._checks = [(name, field, _CHECKS[field.type][0]) for name, field in fields.items()]

    def check(self, body: Any) -> Checked:
        """The declared fields of a decoded JSON body.

        Raises:
            RequestError: a field is missing, of the wrong type or length, or the body is no object.
        """
        if not isinstance(body, dict):
            raise RequestError([FieldProblem("", "the body must be a JSON object", shown(body), "an object")])
        checked: dict[str, Any] = {}
        problems: list[FieldProblem] = []
        known = 0
        for name, field, check in self._checks:
            value = body.get(name)
            known += name in body
            if value is None:
                checked[name] = None
                if field.required:
                    problems.append(FieldProblem(name, "required and not sent", None, _allowed(field)))
                continue
            try:
                checked[name] = check(value) if field.size is None else _list(value, field.size, check)
            except _InvalidError:
                problems.append(FieldProblem(name, "wrong value", shown(value), _allowed(field)))
        if problems:
            raise RequestError(problems)
        return Checked(checked, len(body) - known)

    def document(self, name: str) -> type[BaseModel]:
        """A pydantic model of the request, from which BentoML writes the OpenAPI page."""
        definitions: dict[str, Any] = {}
        for field_name, field in self.fields.items():
            kind: Any = _CHECKS[field.type][2]
            if field.size is not None:
                kind = list[kind]
            about = Field(
                default=... if field.required else None,
                description=field.description or None,
                examples=None if field.example is None else [field.example],
                min_length=field.size,
                max_length=field.size,
            )
            definitions[field_name] = (kind if field.required else kind | None, about)
        model: type[BaseModel] = create_model(name, __config__=ConfigDict(extra="ignore"), **definitions)
        return model


def _list(value: Any, size: int, check: Callable[[Any], Any]) -> list[Any]:
    if type(value) is not list or len(value) != size:
        raise _InvalidError
    return [check(item) for item in value]


def _allowed(field: RequestField) -> str:
    single = _CHECKS[field.type][1]
    text = single if field.size is None else f"a list of {field.size}, each {single}"
    return text if field.required else f"{text}, or null"


def shown(value: Any) -> str:
    """A wrong value as an answer echoes it."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)} fields"
    text = ascii(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
