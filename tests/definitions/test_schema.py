from __future__ import annotations

import re
from pathlib import Path

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
