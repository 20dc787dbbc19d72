"""What each stage is told, as values: the definitions of a version after parsing, and no more of them than it may read.

A stage reads its specification and files, never a definition: what is not in here cannot change what it leaves.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from pydantic import Field

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.documents.base import Digest, Document, Moment, Name, Version
from bighead_ci.documents.definition import (
    Column,
    DetailField,
    Evaluation,
    FeatureSchema,
    FeatureUse,
    HashSplit,
    Label,
    RequestField,
    Serving,
    SourceDefinition,
    Validation,
    VersionedFeatureSet,
    Weights,
)
from bighead_ci.documents.expectation import Expectation
from bighead_ci.documents.inputs import VersionInputs
from bighead_ci.documents.target import TargetSettings

WEIGHT = "__weight"
GROUP = "__group"
"""Column of a training set: what a row counts."""
BOOKKEEPING = ("__event_id", "__timestamp", "__part", WEIGHT, GROUP)
"""Columns of a training set that are neither inputs nor the label."""
LABEL = "__label"


class StageSpec(Document):
    """What every stage knows: whose stage it is."""

    model: Name
    version: Version
    code: list[str] = Field(default_factory=list)
    """Files that the version's code is or may read, relative to its directory, where the stage runs it."""

    @property
    def id(self) -> str:
        """`flight_delay/v2`."""
        return f"{self.model}/{self.version}"

    @property
    def path(self) -> str:
        """The version's directory, relative to the repository."""
        return f"models/{self.id}"


class TimeRanges(Document):
    """The split's ranges as moments; ends are exclusive."""

    train: tuple[Moment, Moment]
    evaluate: tuple[Moment, Moment]


class SourceData(Document):
    """Where the data of a source lies, and what it must be."""

    path: str
    """As its source says, relative to the repository."""
    digest: str
    """As dvc.lock has it, or as run.yaml chose it."""
    file: str
    """Where it is in a checkout; `path`, unless run.yaml chose it."""


class TrainingSetSpec(StageSpec):
    """Which rows, which inputs, which label."""

    spine: Name
    """A source."""
    label: Label
    split: TimeRanges | HashSplit
    group: Column | None = None
    """The spine's column that says which rows are one list; they are never split."""
    weight: Column | None = None
    """Of the spine: what each row counts in training."""
    as_of: Moment | None
    request: dict[Column, RequestField]
    slices: list[Column]
    features: list[FeatureUse]
    sets: list[VersionedFeatureSet]
    """In the order of `features`, with no more of their sources than they use."""
    sources: dict[Name, SourceDefinition]
    """With no more columns than are used."""
    data: dict[Name, SourceData] = Field(default_factory=dict)
    """Of every source, those of the feature sets included."""


class Suite(Document):
    """Expectations about some columns of the training set."""

    name: str
    """Directory that they are authored in: `features/carrier_delays/v1`."""
    columns: dict[str, str] | None
    """Column of the training set → its name in the expectations; None: all, under their own names."""
    expectations: list[Expectation]


class QualitySpec(StageSpec):
    """What is expected of the training set."""

    suites: list[Suite]


class TrainSpec(StageSpec):
    """What is learned, and what the artifact says of itself."""

    target: TargetSettings
    parameters: dict[str, Any]
    inputs: list[ArtifactInput]
    request: dict[str, RequestField]
    features: list[FeatureSchema]
    feature_keys: dict[str, dict[str, str]]
    golden_rows: list[dict[str, Any]]
    weights: Weights | None = None
    validation: Validation | None = None
    trained_until: Moment | None = None
    """Exclusive end of the training range, for a validation by time."""
    trusted_types: list[str] = Field(default_factory=list)
    """Of `serving` in model.yaml."""
    details: dict[str, DetailField] = Field(default_factory=dict)
    """Likewise."""


class EvaluateSpec(StageSpec):
    """How the artifact is judged."""

    evaluation: Evaluation


class PackageSpec(StageSpec):
    """Nothing more: packaging verifies what there is."""


class RecordSpec(StageSpec):
    """What a record says of a version beside what stages measure."""

    task: Name
    parameters: dict[str, Any]
    request: dict[str, RequestField]
    features: list[FeatureSchema]
    serving: Serving
    packages: dict[Literal["training", "serving"], dict[str, str]]
    """Lock → distribution → version, on whatever platform."""


Spec = TypeVar("Spec", bound=StageSpec)


class StageOrder(Document, Generic[Spec]):
    """`out/inputs/<stage>.json`: what a stage is told, and the digests of what no file of the checkout holds.

    DVC runs the stage again when it changes.
    """

    spec: Spec
    engine: Digest
    python: str
    distributions: dict[str, str]


class RecordOrder(StageOrder[RecordSpec]):
    """Of the last stage, which writes down all that the run was made of."""

    inputs: VersionInputs
