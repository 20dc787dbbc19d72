"""What a model takes of its inputs, held against a row before it is scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bighead_ci.documents.artifact import ArtifactManifest, InputDomain
from bighead_ci.serving.request import FieldProblem, shown

LISTED = 20
"""Values of a domain that an answer names."""


@dataclass(frozen=True)
class _Domain:
    document: InputDomain
    values: frozenset[Any] | None
    text: bool

    def refuses(self, value: Any) -> bool:
        if value is None or value == "" or (isinstance(value, list) and None in value):
            return not self.document.null
        if self.values is None:
            return False
        return (value if self.text else float(np.float32(value))) not in self.values

    def allowed(self) -> str:
        values = self.document.values
        if values is None:
            return "any value but a missing one"
        listed = ", ".join(repr(value) for value in values[:LISTED])
        more = f" and {len(values) - LISTED:,} others" if len(values) > LISTED else ""
        return f"{listed}{more}{', or null' if self.document.null else ''}"


class Domains:
    """The bounds of a manifest's inputs."""

    def __init__(self, manifest: ArtifactManifest) -> None:
        types = {item.name: item.type for item in manifest.inputs}
        self._domains = [
            _Domain(one, None if one.values is None else frozenset(one.values), types[one.input] == "string")
            for one in manifest.domains
        ]

    def problems(self, inputs: Mapping[str, Any]) -> list[FieldProblem]:
        """Every input whose value the model does not take."""
        return [
            FieldProblem(name, "the model does not take this value", shown(inputs[name]), domain.allowed())
            for domain in self._domains
            if domain.refuses(inputs[name := domain.document.input])
        ]
