from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # publishes no types
import pytest

from bighead_ci.definitions.files import Kind, place_of
from bighead_ci.definitions.schema import KINDS, PATTERN_WORDS, json_schema
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.definitions.yaml_reader import parse
from fakes.memory_tree import repository

ROOT = Path(__file__).parents[2]


def authored() -> list[tuple[Kind, str, bytes]]:
    tree = DirectoryTree(ROOT)
    found = [(p.kind, path, tree.read(path)) for path in tree.files() if (p := place_of(path)) and p.file == path]
    small = [
        (p.kind, path, text.encode()) for path, text in repository().items() if (p := place_of(path)) and p.file == path
    ]
    return found + small


@pytest.mark.parametrize(("kind", "path", "raw"), authored(), ids=lambda value: value if isinstance(value, str) else "")
def test_authored_files_fit_their_published_schema(kind: str, path: str, raw: bytes) -> None:
    """Every definition of the repository is valid by its JSON Schema, as an editor would judge it."""
    parsed, problems = parse(path, raw)
    assert parsed is not None
    assert problems == []
    jsonschema.Draft202012Validator(json_schema(kind)).validate(parsed.data)


def expectations() -> list[str]:
    return [path for path in DirectoryTree(ROOT).files() if path.endswith("/expectations.yaml")]


@pytest.mark.parametrize("path", expectations())
def test_expectations_fit_their_published_schema(path: str) -> None:
    """Those of the repository, as an editor would judge them."""
    parsed, problems = parse(path, DirectoryTree(ROOT).read(path))
    assert parsed is not None
    assert problems == []
    jsonschema.Draft202012Validator(json_schema("expectations")).validate(parsed.data)


@pytest.mark.parametrize(
    ("written", "fits"),
    [
        ({"column": "x", "min_value": 1}, True),
        ({"kwargs": {"column": "x", "max_value": "2013-10-01"}, "notes": "why"}, True),
        ({"column": "x", "kwargs": {"min_value": 1, "max_value": None}}, True),
        ({"column": "x"}, False),
        ({"min_value": 1}, False),
        ({"column": "x", "min_value": 1, "mostly": 9}, False),
        ({"column": "x", "min_value": 1, "colum": "y"}, False),
        ({"column": "x", "max_value": "high"}, False),
    ],
)
def test_the_schema_of_expectations_knows_what_their_types_take(written: dict[str, Any], fits: bool) -> None:
    """Arguments in either place; what is missing, unknown or of another form does not fit."""
    schema = json_schema("expectations")
    jsonschema.Draft202012Validator.check_schema(schema)
    data = {"expectations": [{"type": "expect_column_values_to_be_between", **written}]}
    assert jsonschema.Draft202012Validator(schema).is_valid(data) == fits


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_schema_is_valid_and_describes_its_fields(kind: str) -> None:
    """Each schema is a correct 2020-12 schema, closed to unknown fields, with descriptions from the docstrings."""
    schema = json_schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    described = re.findall(r"'description': ", str(schema))
    members = [schema["$defs"][one["$ref"].rsplit("/", 1)[1]] for one in schema.get("oneOf", [])] or [schema]
    for member in members:
        assert member["additionalProperties"] is False
        assert member["description"]
        assert len(described) > len(member["properties"]) / 2


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_pattern_has_words(kind: str) -> None:
    """A pattern in a schema is explained to people when it does not match."""
    patterns = set(re.findall(r"'pattern': '([^']*)'", str(json_schema(kind))))
    evidence_path = {p for p in patterns if p.startswith("^[a-z_]")}
    assert patterns - evidence_path <= {p.replace("\\", "\\\\") for p in PATTERN_WORDS} | PATTERN_WORDS.keys()
