"""Requests against declared fields."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.documents.definition import RequestField
from bighead_ci.serving.request import RequestError, RequestSchema

SCHEMA = RequestSchema(
    {
        "carrier": RequestField(type="string", example="UA"),
        "hour": RequestField(type="int64"),
        "distance": RequestField(type="float64", required=False),
        "holiday": RequestField(type="bool", required=False),
        "at": RequestField(type="timestamp", required=False),
        "pixels": RequestField(type="float64", required=False, size=3),
    }
)
GOOD: dict[str, Any] = {"carrier": "UA", "hour": 7}


def problems(body: Any) -> dict[str, str]:
    with pytest.raises(RequestError) as raised:
        SCHEMA.check(body)
    return {problem.field: problem.allowed for problem in raised.value.problems}


def test_absent_optional_fields_are_null() -> None:
    """Every declared field is there after the check, None where it was not sent."""
    assert SCHEMA.check(GOOD).fields == {
        **GOOD, "distance": None, "holiday": None, "at": None, "pixels": None
    }  # fmt: skip


def test_every_wrong_field_is_reported_at_once() -> None:
    """Missing, mistyped and wrongly sized fields come together, each with what is allowed."""
    found = problems({"hour": 7.5, "distance": "far", "pixels": [1.0, 2.0]})
    assert found == {
        "carrier": "a string of whole Unicode characters without U+0000",
        "hour": "a whole number of 64 bits",
        "distance": "a finite number of 64 bits, or null",
        "pixels": "a list of 3, each a finite number of 64 bits, or null",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hour", True),
        ("hour", "7"),
        ("hour", 2**63),
        ("hour", None),
        ("carrier", 1),
        ("distance", float("nan")),
        ("distance", float("inf")),
        ("distance", 10**400),
        ("carrier", "\ud83d"),
        ("carrier", "UA\0"),
        ("distance", True),
        ("holiday", 1),
        ("at", "2013-10-01T10:00:00"),
        ("at", "yesterday"),
        ("at", 1380621600),
        ("pixels", [1.0, 2.0, None]),
        ("pixels", [1.0, 2.0, 3.0, 4.0]),
        ("pixels", 1.0),
    ],
)
def test_no_value_is_coerced(field: str, value: Any) -> None:
    """A value of another type is refused, however close it looks."""
    assert list(problems({**GOOD, field: value})) == [field]


def test_a_timestamp_becomes_utc_microseconds() -> None:
    """Any zone is understood, to the microsecond."""
    checked = SCHEMA.check({**GOOD, "at": "2013-10-01T12:00:00.000001+02:00"})
    assert checked.fields["at"] == 1_380_621_600_000_001


def test_unknown_fields_are_ignored_and_counted() -> None:
    """A caller may send what another version needs."""
    checked = SCHEMA.check({**GOOD, "seats": 150, "tail": "N1"})
    assert checked.unknown == 2
    assert "seats" not in checked.fields


@pytest.mark.parametrize("body", [None, [], "x", 3])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    """Only a JSON object is a request."""
    assert problems(body) == {"": "an object"}


def test_a_long_value_is_shown_short() -> None:
    """What is echoed of a wrong value is bounded."""
    with pytest.raises(RequestError) as raised:
        SCHEMA.check({"carrier": "UA", "hour": "x" * 10_000})
    assert len(raised.value.problems[0].value or "") < 100


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_any_json_value_is_either_checked_or_refused(value: Any) -> None:
    """Whatever a field holds, the check ends in a value that JSON can carry or in a RequestError."""
    for name in SCHEMA.fields:
        try:
            checked = SCHEMA.check({**GOOD, name: value})
        except RequestError as error:
            assert [problem.field for problem in error.problems] == [name]  # noqa: PT017 - either outcome is right
            json.dumps(error.as_json(), allow_nan=False)
        else:
            json.dumps(checked.fields, allow_nan=False)


def test_the_published_schema_says_what_is_required() -> None:
    """OpenAPI gets types, sizes, required fields and examples from the manifest."""
    schema = SCHEMA.document("Request").model_json_schema()
    assert schema["required"] == ["carrier", "hour"]
    assert schema["properties"]["carrier"] == {"examples": ["UA"], "title": "Carrier", "type": "string"}
    pixels = schema["properties"]["pixels"]["anyOf"][0]
    assert (pixels["type"], pixels["items"]["type"]) == ("array", "number")
