"""The JSON Schema of `expectations.yaml`, made from the table of expectation types."""

from __future__ import annotations

from typing import Any

from bighead_ci.definitions.expectation_types import TIME, ArgumentForm, ExpectationType, Kind, expectation_types

_NUMBER = {"type": "number"}
_TEXT = {"type": "string", "minLength": 1}
_SCALAR = {"type": ["number", "string", "boolean"]}
_SCHEMAS: dict[Kind, dict[str, Any]] = {
    "column": _TEXT,
    "columns": {"type": "array", "items": _TEXT},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "number": _NUMBER,
    "bound": {"anyOf": [_NUMBER, {"type": "string", "pattern": TIME}]},
    "text": _TEXT,
    "texts": {"type": "array", "items": _TEXT, "minItems": 1},
    "values": {"type": "array", "items": _SCALAR, "minItems": 1},
    "pairs": {
        "type": "array",
        "items": {"type": "array", "items": _SCALAR, "minItems": 2, "maxItems": 2},
        "minItems": 1,
    },
    "choice": _TEXT,
    "time format": _TEXT,
    "quantile ranges": {
        "type": "object",
        "properties": {
            "quantiles": {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}},
            "value_ranges": {"type": "array", "items": {"type": "array", "items": {"type": ["number", "null"]}}},
        },
        "required": ["quantiles", "value_ranges"],
        "additionalProperties": False,
    },
}


def expectations_schema() -> dict[str, Any]:
    """Every type with its arguments, which stand beside the type or below `kwargs`."""
    types = expectation_types()
    return {
        "title": "Expectations",
        "description": "What is expected of data, by the types of Great Expectations that run on data in memory.",
        "type": "object",
        "properties": {
            "expectations": {"type": "array", "items": {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in types]}}
        },
        "required": ["expectations"],
        "$defs": {name: _type_schema(name, one) for name, one in types.items()},
    }


def _type_schema(name: str, of: ExpectationType) -> dict[str, Any]:
    arguments = {argument: _form_schema(form) for argument, form in of.arguments.items()}
    needed = [[argument] for argument, form in of.arguments.items() if form.required]
    return {
        "type": "object",
        "properties": {
            "type": {"const": name},
            "kwargs": {"type": ["object", "null"], "properties": arguments, "additionalProperties": False},
            "meta": {"description": "For people."},
            "notes": {"description": "For people."},
            **arguments,
        },
        "additionalProperties": False,
        "allOf": [{"required": ["type"]}, *(_given(one) for one in [*needed, *([of.one_of] if of.one_of else [])])],
    }


def _given(names: list[str]) -> dict[str, Any]:
    """One of the arguments stands in one of the two places."""
    places = [
        ({"required": [name]}, {"required": ["kwargs"], "properties": {"kwargs": {"required": [name]}}})
        for name in names
    ]
    return {"anyOf": [one for place in places for one in place]}


def _form_schema(form: ArgumentForm) -> dict[str, Any]:
    limits = {"minimum": form.minimum, "maximum": form.maximum, "minItems": form.least or None}
    found = {**_SCHEMAS[form.kind], **{name: limit for name, limit in limits.items() if limit is not None}}
    if form.choices:
        found = {"enum": form.choices}
    return {"anyOf": [found, {"type": "null"}]} if form.null else found
