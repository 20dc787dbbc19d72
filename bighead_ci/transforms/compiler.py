"""What a way from a fitted estimator to an artifact is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bighead_ci.documents.artifact import ArtifactManifest, Kind
from bighead_ci.transforms.columns import Columns


@dataclass(frozen=True)
class Compiled:
    """One form of an estimator."""

    kind: Kind
    files: dict[str, bytes]
    """Name → content of what the kind keeps."""


@dataclass(frozen=True)
class Compiler:
    """A way to an artifact."""

    kind: Kind
    way: str
    """What distinguishes it from others of its kind; may be empty."""
    compiled: Callable[[Any, ArtifactManifest, Columns], Compiled]
    """The form of an estimator fitted on these rows; InputError says why it has none."""
    largest: float | None = None
    """Magnitude of float64 inputs beyond which the form is not asked: it computes in less than the estimator does."""

    @property
    def name(self) -> str:
        """`onnx (float32)`."""
        return f"{self.kind} ({self.way})" if self.way else self.kind
