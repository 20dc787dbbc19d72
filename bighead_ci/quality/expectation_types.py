"""What Great Expectations' own expectation types take: where the table that `bighead check` reads comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from types import NoneType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pyarrow as pa
from great_expectations.exceptions import GreatExpectationsError
from great_expectations.expectations.core.expect_column_quantile_values_to_be_between import QuantileRange
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.registry import get_expectation_impl, list_registered_expectation_implementations
from pydantic.v1 import ValidationError

from bighead_ci.definitions.expectation_types import ArgumentForm, ExpectationType, Kind
from bighead_ci.documents.expectation import COLUMN_ARGUMENTS, COLUMN_LISTS, Expectation
from bighead_ci.errors import BugError
from bighead_ci.quality.expectations import GreatExpectationRunner

_NOT_OF_THE_TYPE = {*ColumnMapExpectation.__fields__, "library_metadata"} - {"column", "mostly"}
"""Fields of every expectation: what it is called, how its result is shown; and conditions on rows, which are code."""
_FOR_DATABASES = {"allow_relative_error"}
_QUERIES = {"unexpected_rows_query", "base_query"}
"""Arguments of types that need a database to run a query in."""
_SAMPLE = pa.table(
    {
        "number": [1.0, 2.0, 3.0],
        "another": [3.0, 2.0, 1.0],
        "text": ["2013-10-01", "2013-10-02", "2013-10-03"],
        "object": ['{"a": 1}'] * 3,
    }
)
"""Data on one of whose columns every usable type gives an answer."""
_COLUMNS = ("number", "text", "object")
_VALUES: dict[Kind, Any] = {
    "boolean": True,
    "integer": 1,
    "number": 1.0,
    "bound": 1,
    "text": "float64",
    "texts": ["float64"],
    "values": [1],
    "pairs": [[1, 1]],
    "time format": "%Y-%m-%d",
    "quantile ranges": {"quantiles": [0.5], "value_ranges": [[0, 9]]},
}


def library_types() -> dict[str, ExpectationType]:
    """Every type that answers about data in memory and whose arguments can be checked beforehand, by name.

    Whether one answers is tried: what the library says of itself is incomplete.
    """
    runner = GreatExpectationRunner()
    found = {kind: _type(get_expectation_impl(kind)) for kind in list_registered_expectation_implementations()}
    return {kind: one for kind, one in sorted(found.items()) if one is not None and _answers(runner, kind, one)}


def example(of: ExpectationType, column: str) -> dict[str, Any]:
    """Arguments that the type takes, no more than it needs."""
    needed = {name for name, form in of.arguments.items() if form.required} | {*of.one_of[:1]}
    return {name: _value(form, column) for name, form in of.arguments.items() if name in needed}


def _value(form: ArgumentForm, column: str) -> Any:
    if form.kind == "column":
        return column
    if form.kind == "columns":
        return [column, "another"][: max(form.least, 1)]
    return form.choices[0] if form.kind == "choice" else _VALUES[form.kind]


def _answers(runner: GreatExpectationRunner, kind: str, of: ExpectationType) -> bool:
    for column in _COLUMNS:
        asked = Expectation(place="expectations.0", type=kind, arguments=example(of, column))
        (result,) = runner.run("sample", [asked], _SAMPLE)
        if not result.observed.startswith("could not be checked"):
            return True
    return False


def _type(made: Any) -> ExpectationType | None:
    """What a class takes; None where an argument it needs has a form that cannot be checked beforehand."""
    if not _QUERIES.isdisjoint(made.__fields__):
        return None
    arguments: dict[str, ArgumentForm] = {}
    for name, field in made.__fields__.items():
        if name in _NOT_OF_THE_TYPE | _FOR_DATABASES:
            continue
        form = _form(name, field)
        if form is None:
            return None
        arguments[name] = form
    plain = ExpectationType(arguments=arguments)
    for one in _variants(plain):
        if _accepts(made, example(one, "number")):
            return one
    raise BugError(f"{made.expectation_type} does not take what its fields say: {sorted(arguments)}")


def _variants(plain: ExpectationType) -> Iterator[ExpectationType]:
    """The type as its fields say, and with what a class may ask for beyond them."""
    bounds = [name for name in ("min_value", "max_value") if name in plain.arguments]
    for one_of in ([], bounds):
        for least in (1, 2):
            arguments = {
                name: form.model_copy(update={"least": least}) if form.kind == "columns" else form
                for name, form in plain.arguments.items()
            }
            yield ExpectationType(arguments=arguments, one_of=one_of)


def _accepts(made: Any, arguments: Mapping[str, Any]) -> bool:
    try:
        made(**arguments)
    except (ValidationError, GreatExpectationsError, TypeError, ValueError):
        return False
    return True


def _form(name: str, field: Any) -> ArgumentForm | None:
    members = {*_members(field.outer_type_)} - {NoneType, dict}
    literals = [member for member in members if get_origin(member) is Literal]
    kind = "choice" if literals else _kind(name, members)
    if kind is None:
        return None
    limits = field.field_info
    return ArgumentForm(
        kind=kind,
        required=bool(field.required),
        null=field.allow_none,
        minimum=limits.ge,
        maximum=limits.le,
        choices=[str(choice) for literal in literals for choice in get_args(literal)],
    )


def _members(annotation: Any) -> Iterator[Any]:
    """The types of a union, or the one there is."""
    if get_origin(annotation) is Annotated:
        yield from _members(get_args(annotation)[0])
    elif get_origin(annotation) is Union:
        for one in get_args(annotation):
            yield from _members(one)
    else:
        yield _plain(annotation)


def _plain(annotation: Any) -> Any:
    """`list[tuple[Any, Any]]` for `List[Tuple[Any, Any]]`."""
    origin = get_origin(annotation)
    if origin not in {list, tuple}:
        return annotation
    parts = tuple(map(_plain, get_args(annotation)))
    return origin[parts] if parts else origin


def _kind(name: str, members: set[Any]) -> Kind | None:
    """What an argument holds; None for what cannot be checked beforehand, such as a mapping of any form.

    Raises:
        BugError: the library has a form that is not known here.
    """
    if name in COLUMN_ARGUMENTS:
        return "column"
    if name in COLUMN_LISTS:
        return "columns"
    if name == "strftime_format":
        return "time format"
    if not members:
        return None
    for wanted, kind in _KINDS:
        if len(members) == len(wanted) and all(any(_is(member, one) for one in wanted) for member in members):
            return kind
    raise BugError(f"{name}: an argument of {members} is not known here")


def _is(member: Any, wanted: Any) -> bool:
    """Whether a member is that type, or a constrained form of a plain one."""
    plain = isinstance(member, type) and isinstance(wanted, type) and wanted in {str, float}
    return bool(member == wanted) or (plain and issubclass(member, wanted))


_KINDS: tuple[tuple[tuple[Any, ...], Kind], ...] = (
    ((bool,), "boolean"),
    ((int,), "integer"),
    ((int, datetime), "integer"),
    ((float,), "number"),
    ((float, date, datetime), "bound"),
    ((str,), "text"),
    ((list[str],), "texts"),
    ((list,), "values"),
    ((list[tuple[Any, Any]],), "pairs"),
    ((QuantileRange,), "quantile ranges"),
)
"""Members of a union, but for null and the library's parameters of suites → what it holds."""
