"""The types that an expectation can have, and what is wrong with one: read from a table, without the library itself.

Importing Great Expectations takes seconds. `expectation_types.json` says what its types take; `make lock` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, ValidationError

from bighead_ci.documents.base import Document
from bighead_ci.documents.expectation import Argument
from bighead_ci.words import closest

TABLE = Path(__file__).with_name("expectation_types.json")
Kind = Literal[
    "column",
    "columns",
    "boolean",
    "integer",
    "number",
    "bound",
    "text",
    "texts",
    "values",
    "pairs",
    "choice",
    "time format",
    "quantile ranges",
]
"""What an argument holds."""


class ArgumentForm(Document):
    """What an expectation type wants of one argument."""

    kind: Kind
    required: bool = False
    null: bool = False
    """Whether it may be written as null, which is like leaving it out."""
    minimum: float | None = None
    maximum: float | None = None
    least: int = 0
    """How many columns it names at least."""
    choices: list[str] = Field(default_factory=list)


class ExpectationType(Document):
    """What an expectation type takes."""

    arguments: dict[str, ArgumentForm]
    one_of: list[str] = Field(default_factory=list)
    """Arguments of which one at least is needed."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with an expectation."""

    where: Argument
    """Place among the arguments; empty: the expectation as a whole. `("type",)`: its type."""
    message: str
    value: str | None = None
    allowed: str | None = None
    suggestion: str | None = None


@cache
def expectation_types() -> dict[str, ExpectationType]:
    """Every type that can be used, by name."""
    return TypeAdapter(dict[str, ExpectationType]).validate_json(TABLE.read_bytes())


def written_table(types: Mapping[str, ExpectationType]) -> bytes:
    """The table's file: same types, same bytes."""
    plain = {name: types[name].model_dump(exclude_defaults=True) for name in sorted(types)}
    return f"{json.dumps(plain, indent=1)}\n".encode()


def faults(kind: str, arguments: Mapping[str, Any]) -> Iterator[Fault]:
    """Everything that would keep an expectation from being run. Pure.

    Args:
        kind: Its type.
        arguments: Its arguments, without `meta` and `notes`.
    """
    known = expectation_types().get(kind)
    if known is None:
        yield _unknown(("type",), "there is no such expectation type", kind, expectation_types())
        return
    for name in arguments.keys() - known.arguments.keys():
        yield _unknown((name,), f"{kind} has no such argument", name, known.arguments)
    for name, form in known.arguments.items():
        if name in arguments and not (form.null and arguments[name] is None):
            yield from _value_faults(name, form, arguments[name])
        elif form.required:
            yield Fault((), f"{kind} needs the argument {name}", allowed=f"{name}: {_words(form)}")
    if known.one_of and all(arguments.get(name) is None for name in known.one_of):
        yield Fault((), f"{kind} needs one of its arguments {' and '.join(known.one_of)}")
    low, high = (arguments.get(name) for name in ("min_value", "max_value"))
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        yield Fault(("min_value",), "is greater than max_value", str(low), f"at most {high}")


def _unknown(where: Argument, message: str, value: str, known: Iterable[str]) -> Fault:
    names, meant = sorted(known), closest(value, known)
    allowed = (
        ", ".join(names) if where != ("type",) else f"{len(names)} types: `bighead schema expectations` lists them"
    )
    return Fault(where, message, value, allowed, meant)


def _value_faults(name: str, form: ArgumentForm, value: Any) -> Iterator[Fault]:
    try:
        _VALUES[form.kind].validate_python(value, strict=True)
        fits = True
    except ValidationError:
        fits = False
    if fits and isinstance(value, int | float):
        fits = (form.minimum is None or value >= form.minimum) and (form.maximum is None or value <= form.maximum)
    if not fits or (form.kind == "choice" and value not in form.choices) or _too_few(form, value):
        yield Fault((name,), f"must be {_words(form)}", str(value)[:80], _words(form))


def _too_few(form: ArgumentForm, value: Any) -> bool:
    return form.kind == "columns" and len(value) < form.least


def _words(form: ArgumentForm) -> str:
    """What an argument must be."""
    if form.kind == "choice":
        return " or ".join(form.choices)
    if form.kind == "columns":
        return f"a list of names of columns, at least {form.least}"
    limits = [
        f"at {side} {limit:g}" for side, limit in (("least", form.minimum), ("most", form.maximum)) if limit is not None
    ]
    return ", ".join([_WORDS[form.kind], *limits])


def _time_format(text: str) -> str:
    datetime.strptime(datetime.now(UTC).strftime(text), text).replace(tzinfo=UTC)
    return text


def _quantile_ranges(found: dict[str, list[Any]]) -> dict[str, list[Any]]:
    if found.keys() != {"quantiles", "value_ranges"} or len(found["quantiles"]) != len(found["value_ranges"]):
        raise ValueError("as many value_ranges as quantiles")
    TypeAdapter(list[Annotated[float, Field(ge=0, le=1)]]).validate_python(found["quantiles"])
    for low, high in TypeAdapter(list[tuple[float | None, float | None]]).validate_python(found["value_ranges"]):
        if low is not None and high is not None and low > high:
            raise ValueError("a range goes from the lower to the higher")
    return found


TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?)?$"


def _moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


_Text = Annotated[str, Field(min_length=1)]
_Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_Number = _Whole | Annotated[float, Field(allow_inf_nan=False)]
_Scalar = bool | _Number | str
_VALUES: dict[Kind, TypeAdapter[Any]] = {
    "column": TypeAdapter(_Text),
    "columns": TypeAdapter(list[_Text]),
    "boolean": TypeAdapter(bool),
    "integer": TypeAdapter(_Whole),
    "number": TypeAdapter(_Number),
    "bound": TypeAdapter(_Number | Annotated[str, StringConstraints(pattern=TIME), AfterValidator(_moment)]),
    "text": TypeAdapter(_Text),
    "texts": TypeAdapter(Annotated[list[_Text], Field(min_length=1)]),
    "values": TypeAdapter(Annotated[list[_Scalar], Field(min_length=1)]),
    "pairs": TypeAdapter(
        Annotated[list[Annotated[list[_Scalar], Field(min_length=2, max_length=2)]], Field(min_length=1)]
    ),
    "choice": TypeAdapter(_Text),
    "time format": TypeAdapter(Annotated[_Text, AfterValidator(_time_format)]),
    "quantile ranges": TypeAdapter(Annotated[dict[str, list[Any]], AfterValidator(_quantile_ranges)]),
}
_WORDS: dict[Kind, str] = {
    "column": "the name of a column",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "bound": "a number, or a time as 2013-10-01 or 2013-10-01T06:00:00Z",
    "text": "text",
    "texts": "a list of texts",
    "values": "a list of values, at least one",
    "pairs": "a list of pairs of values",
    "time format": "a format of times as Python's strptime reads it, such as %Y-%m-%d",
    "quantile ranges": "{quantiles: [0.05, 0.95], value_ranges: [[-30, 0], [10, 200]]}",
}
