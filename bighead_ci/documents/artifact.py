"""A model artifact on disk: `artifact.json`, `golden.json` and the files of its kind. Data only.

The artifact's digest is over the sorted (file name, file digest) pairs, so a changed, missing or extra file is seen.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from bighead_ci.documents.base import Document, Name, Version
from bighead_ci.documents.definition import ColumnType, DetailField, FeatureSchema, RequestField
from bighead_ci.documents.target import Target

MANIFEST, GOLDEN = "artifact.json", "golden.json"
"""Files that every artifact has."""
GRAPH = "model.onnx"
"""What kind `onnx` has besides."""

Kind = Literal["onnx", "trees", "linear", "python"]
"""What answers: a graph, our own tables of trees, weights over encoded columns, or the version's own code."""
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]


class ArtifactInput(Document):
    """One named input of a model, a column."""

    name: str
    """Request field, or `set.feature`."""
    type: ColumnType
    size: int | None = None
    categories: list[str] | None = None
    """Of a text that the model sees as a categorical."""


class InputDomain(Document):
    """What the estimator takes of an input that it does not take every value of; the server refuses the rest."""

    input: str
    null: bool
    """Whether it takes a missing value, which for text is the empty one."""
    values: list[str] | list[int | float] | None = None
    """All that it takes besides; None: any."""
    lowest: float | None = None
    """Below which it takes no number; None: any, minus infinity among them."""
    highest: float | None = None
    """Beyond which it takes no number; None: any."""

    def limits(self) -> str:
        """Its bounds in words."""
        if self.lowest is None and self.highest is None:
            return "any value"
        least = "" if self.lowest is None else f"from {self.lowest:.8g}"
        most = "" if self.highest is None else f"up to {self.highest:.8g}"
        return f"a number {' '.join(filter(None, (least, most)))}"


class GoldenRow(Document):
    """Estimator inputs and the scores the framework itself gave them."""

    inputs: dict[str, Any]
    scores: list[float]


class GoldenRows(Document):
    """Rows that are re-scored at load; a mismatch refuses to serve."""

    tolerance: float
    rows: list[GoldenRow]


FORMAT: Literal[3] = 3
"""Of the artifacts that this engine makes and reads."""


class ArtifactManifest(Document):
    """`artifact.json`: all that serving needs to know besides the parameters."""

    format: Literal[3] = FORMAT
    kind: Kind = "onnx"
    files: list[FileName] = Field(default_factory=lambda: [GRAPH])
    """What the kind keeps beside the manifest and the golden rows."""
    model: Name
    version: Version
    target: Target
    inputs: list[ArtifactInput]
    request: dict[str, RequestField]
    features: list[FeatureSchema]
    feature_keys: dict[str, dict[str, str]]
    """Feature set id → key column of the set → request field."""
    domains: list[InputDomain] = Field(default_factory=list)
    """Of inputs of which the estimator refuses something."""
    trusted_types: list[str] = Field(default_factory=list)
    """Types of kind `python` that may be made when its state is loaded, by the model.yaml that was reviewed."""
    details: dict[str, DetailField] = Field(default_factory=dict)
    """Fields of answers that the version's own code fills."""
