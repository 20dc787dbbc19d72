"""The published JSON Schema of each kind of authored file, made from the documents themselves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from bighead_ci.definitions.expectation_schema import expectations_schema
from bighead_ci.definitions.gate_file import GateFile
from bighead_ci.documents.definition import (
    FeatureSetDefinition,
    ModelDefinition,
    RunDefinition,
    SourceDefinition,
)
from bighead_ci.documents.environment import AnyEnvironment
from bighead_ci.documents.release import Release
from bighead_ci.documents.report import PromotionReport, PullRequestReport
from bighead_ci.documents.resources import LABEL
from bighead_ci.tasks.registry import METRICS, TASKS

KINDS: dict[str, TypeAdapter[Any]] = {
    "model": TypeAdapter(ModelDefinition),
    "run": TypeAdapter(RunDefinition),
    "feature-set": TypeAdapter(FeatureSetDefinition),
    "source": TypeAdapter(SourceDefinition),
    "environment": TypeAdapter(AnyEnvironment),
    "release": TypeAdapter(Release),
    "gate": TypeAdapter(GateFile),
}
"""Kind of authored file → the document it is read into."""
MADE: dict[str, TypeAdapter[Any]] = {
    "report": TypeAdapter(PullRequestReport),
    "promotion-report": TypeAdapter(PromotionReport),
}
"""Kind of file that the engine writes for other programs → its document."""
EXPECTATIONS = "expectations"
"""The kind of file whose schema is made from the table of expectation types."""
PUBLISHED = sorted({*KINDS, *MADE, EXPECTATIONS})
"""Every kind of file that has a schema."""

PATTERN_WORDS = {
    r"^[a-z][a-z0-9_]{0,62}$": "lower-case letters, digits and _, starting with a letter, at most 63",
    r"^[A-Za-z_][A-Za-z0-9_]{0,62}$": "letters, digits and _, not starting with a digit, at most 63",
    r"^[1-9][0-9]{0,4}[smhd]$": "a whole number and s, m, h or d: 30s, 5m, 1h, 7d",
    r"^[1-9][0-9]{0,5}[MG]iB$": "a whole number and MiB or GiB: 512MiB, 2GiB",
    r"^[a-z][a-z0-9_]*/v[1-9][0-9]*$": "a feature set and its version: carrier_delays/v1",
    r"^v[1-9][0-9]{0,5}$": "v1, v2, …",
    r"^sha256:[0-9a-f]{64}$": "sha256: and 64 hex digits",
    r"^[a-z0-9]+([._/:-]+[a-z0-9]+)*@sha256:[0-9a-f]{64}$": "an image by its digest: name@sha256: and 64 hex digits",
    r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$": "a type's module and name: model.Lower",
    r"^[0-9a-f]{32}$": "the md5 that dvc.lock gives the source's file, 32 hex digits",
    r"^[0-9a-f]{40}([0-9a-f]{24})?$": "a full commit id, 40 hex digits",
    r"^([1-9][0-9]{0,4}m|[1-9][0-9]{0,3})$": "processors, or thousandths of one: 2, 500m",
    rf"^([a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{LABEL}$": "the key of a Kubernetes label: disk, example.com/gpu",
    rf"^({LABEL})?$": "the value of a Kubernetes label: letters, digits, -, _ and ., at most 63",
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$": "a Kubernetes name: lower-case letters, digits and -, at most 63",
    r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$": "a host: models.example.com",
    r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-][a-z0-9]+)*)*$": "a registry, and a path in it: "
    "registry.example:5000/models",
    r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+@sha256:[0-9a-f]{64}$": "an image by "
    "its digest, for a tag may name another one tomorrow: registry.example/team/image@sha256: and 64 hex digits",
    r"^[a-z0-9][a-z0-9+.-]+$": "a Debian package: libgomp1",
    r"^(s3|gs)://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*$": "a bucket, and a path in it: s3://bucket/models",
    r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$": "an address: https://store.example:9000",
    r"^rediss?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[0-9]{1,2})?$": "a Redis without its password: redis://host:6379/0",
}
"""What a pattern asks for, in words."""


@cache
def json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one kind of file."""
    schema = expectations_schema() if kind == EXPECTATIONS else (KINDS | MADE)[kind].json_schema()
    if kind == "model":
        schema["properties"]["task"]["enum"] = [*TASKS]
        schema["$defs"]["Evaluation"]["properties"]["primary"]["enum"] = [*METRICS]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def subschema(kind: str, location: Sequence[str | int]) -> dict[str, Any]:
    """The part of a kind's schema that describes one location, with references resolved; empty if there is none."""
    root = json_schema(kind)
    here = _resolve(root, root)
    for step in location:
        here = _resolve(root, _step(root, here, str(step)))
    return here


def _resolve(root: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    options = [option for option in schema.get("anyOf", []) if option.get("type") != "null"]
    return _resolve(root, options[0]) if len(options) == 1 else schema


def _step(root: dict[str, Any], schema: dict[str, Any], step: str) -> dict[str, Any]:
    tags = schema.get("discriminator", {}).get("mapping", {})
    if step in tags:
        return {"$ref": tags[step]}
    for option in (schema, *(_resolve(root, part) for part in schema.get("anyOf", []))):
        found = option.get("properties", {}).get(step) or option.get("items") or option.get("additionalProperties")
        if not isinstance(found, dict):
            found = next(iter(option.get("patternProperties", {}).values()), None)
        if isinstance(found, dict):
            return found
    return {}
