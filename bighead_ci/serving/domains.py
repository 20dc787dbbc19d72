"""What a model takes of its inputs, held against a row before it is scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bighead_ci.documents.artifact import ArtifactManifest, InputDomain
from bighead_ci.serving.request import FieldProblem, shown

LISTED = 20
"""Values of a domain that an answer names."""


@dataclass(frozen=True)
class _Domain:
    document: InputDomain
    values: frozenset[Any] | None

    def refuses(self, value: Any) -> bool:
        if value is None or value == "" or (isinstance(value, list) and None in value):
            return not self.document.null
        if not self._bounded(value):
            return True
        return self.values is not None and value not in self.values

    def allowed(self) -> str:
        values = self.document.values
        if values is None:
            bound = self.document.limits()
            return f"{bound}, or null" if self.document.null else f"{bound}, but not a missing one"
        listed = ", ".join(repr(value) for value in values[:LISTED])
        more = f" and {len(values) - LISTED:,} others" if len(values) > LISTED else ""
        return f"{listed}{more}{', or null' if self.document.null else ''}"

    def _bounded(self, value: Any) -> bool:
        lowest, highest = self.document.lowest, self.document.highest
        if lowest is None and highest is None:
            return True
        numbers = value if isinstance(value, list) else (value,)
        return all((lowest is None or one >= lowest) and (highest is None or one <= highest) for one in numbers)


class Domains:
    """The bounds of a manifest's inputs."""

    def __init__(self, manifest: ArtifactManifest) -> None:
        self._domains = [
            _Domain(one, None if one.values is None else frozenset(one.values)) for one in manifest.domains
        ]

    def problems(self, inputs: Mapping[str, Any]) -> list[FieldProblem]:
        """Every input whose value the model does not take."""
        return [
            FieldProblem(name, "the model does not take this value", shown(inputs[name]), domain.allowed())
            for domain in self._domains
            if domain.refuses(inputs[name := domain.document.input])
        ]
