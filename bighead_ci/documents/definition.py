"""What people author: sources, feature sets, models and environments, as validated values.

Names and versions are not fields: they come from the path (`models/<name>/v<N>/model.yaml`), so that copying `v1` to
`v2` needs no edit inside the file.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt, StringConstraints

from bighead_ci.documents.authored import Definition, DurationText, MemoryText
from bighead_ci.documents.base import Digest, Document, Moment, Name, Percent, Version
from bighead_ci.documents.container_base import ContainerBase
from bighead_ci.documents.resources import ModelResources
from bighead_ci.documents.target import TargetSettings

Column = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
ColumnType = Literal["int64", "float64", "string", "bool", "timestamp"]
Operation = Literal["count", "sum", "mean", "min", "max", "variance", "first", "last"]
Owner = Annotated[str, StringConstraints(min_length=1, max_length=80)]

_UNITS = {"m": 60, "h": 3600, "d": 86400}
DataDigest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""Content digest of a data file as DVC writes it into dvc.lock (MD5)."""


def duration(text: str) -> timedelta:
    """`30s`, `5m`, `1h` or `30d` as a time span."""
    return timedelta(seconds=int(text[:-1]) * {"s": 1, **_UNITS}[text[-1]])


def microseconds(text: str) -> int:
    """A duration text in microseconds."""
    return int(duration(text) / timedelta(microseconds=1))


def memory_bytes(text: str) -> int:
    """`512MiB` or `2GiB` in bytes."""
    return int(text[:-3]) << {"M": 20, "G": 30}[text[-3]]


LONGEST_DEADLINE_MS = 10_000
"""A router gives up five seconds later."""


class SourceDefinition(Definition):
    """A table of rows, one an event, versioned by content with DVC (`features/sources/<name>.yaml`)."""

    owner: Owner
    description: str = ""
    path: str
    """Parquet file, relative to the source file."""
    columns: dict[Column, ColumnType]
    sizes: dict[Column, PositiveInt] = Field(default_factory=dict)
    """Length of every list in a list column; a column that is not here is a scalar."""
    timestamp: Column | None = None
    """When the event happened. Needed by feature sets and by time splits."""
    event_id: Column
    """Unique per row; makes the order (timestamp, event_id) total."""
    known_at: Column | None = None
    """When the row became known: visible at q only if known_at < q. Null: never known. Absent: the timestamp."""


class Aggregation(Definition):
    """Operations over windows of one column."""

    column: Column
    operations: Annotated[list[Operation], Field(min_length=1)]
    windows: Annotated[list[DurationText], Field(min_length=1)]
    hop: DurationText | Literal["exact"] | None = None
    """To what a window's left end is floored. None: 1d for windows of 12d and more, 1h from 12h, else 5m."""
    default: float | None = None
    """Value in place of null for an empty window."""


class FeatureSetDefinition(Definition):
    """Aggregations of one source by key (`features/<name>/v<N>/feature_set.yaml`)."""

    owner: Owner
    description: str = ""
    source: Name
    key: Annotated[list[Column], Field(min_length=1, max_length=4)]
    aggregations: Annotated[list[Aggregation], Field(min_length=1)]


def _known_once(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise ValueError("each value may appear once")
    return values


class RequestField(Definition):
    """One field that a caller sends."""

    type: ColumnType
    required: bool = True
    use: Literal["input", "lookup"] = "input"
    """`input`: the estimator sees it. `lookup`: only finds features."""
    column: Column | None = None
    """Column of the spine's source when its name differs."""
    size: PositiveInt | None = None
    """Length of a list of numbers; None for a scalar."""
    categories: Annotated[list[str], Field(min_length=1), AfterValidator(_known_once)] | None = None
    """Of a text: the values that it has. The model sees a pandas categorical of these; any other counts as missing."""
    description: str = ""
    example: Any = None


class FeatureUse(Definition):
    """Columns of one feature set that a model takes."""

    set: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*/v[1-9][0-9]*$")]
    columns: list[str] | None = None
    """Feature names without the set's prefix; None takes all."""
    keys: dict[Column, Column] = Field(default_factory=dict)
    """Key column of the set → request field, where the names differ."""


class Spine(Definition):
    """Which rows a model is trained on."""

    source: Name


class Label(Definition):
    """What is predicted: a column of a source joined to the spine by event id."""

    source: Name
    column: Column
    offset: DurationText | None = None
    """A row's label counts as mature when the row's timestamp + offset <= `as_of`; others are left out and counted."""
    positive: bool | int | str | None = None
    """Task `binary`: the class whose score is the answer. None: true, or 1 of 0 and 1; others must be named."""


class TimeSplit(Definition):
    """Train on one time range, evaluate on a later one; ends are exclusive."""

    kind: Literal["time"]
    train: Annotated[list[Moment], Field(min_length=2, max_length=2)]
    evaluate: Annotated[list[Moment], Field(min_length=2, max_length=2)]


class RecentSplit(Definition):
    """Evaluate on the newest rows whose labels are mature at `as_of`, train on those before: ranges move with it."""

    kind: Literal["recent"]
    train: DurationText
    """How long before the evaluation range training begins."""
    evaluate: DurationText
    """How long before its end the evaluation range begins; it ends at `as_of`, less the label's offset."""


class HashSplit(Definition):
    """Split by a hash of the event id, for data without time."""

    kind: Literal["hash"]
    evaluate_percent: Annotated[int, Field(ge=5, le=50)]


class TimeValidation(Definition):
    """The newest of the rows to train on: what is learned from the older ones is tried on them."""

    kind: Literal["time"]
    last: DurationText
    """How long before the end of the training range they begin."""


class HashValidation(Definition):
    """Some of the rows to train on, by a hash of their event ids that is not the split's."""

    kind: Literal["hash"]
    percent: Annotated[int, Field(ge=1, le=50)]


Validation = Annotated[TimeValidation | HashValidation, Field(discriminator="kind")]
"""Rows that are taken out of the training range, to stop early or to choose by. Nothing is judged by them."""


class Weights(Definition):
    """How much each row to train on counts; with both, the product."""

    column: Column | None = None
    """A column of numbers of the spine's source, which is no input."""
    classes: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] | None = None
    """`balanced`: every class counts as much as another, whatever its rows; or a number for each class."""


def _rising(values: list[float]) -> list[float]:
    if values != sorted(set(values)):
        raise ValueError("quantiles rise, each once")
    return values


class Evaluation(Definition):
    """How a trained model is judged."""

    primary: Name
    """A metric of the task."""
    slices: Annotated[list[Column], AfterValidator(_known_once)] = Field(default_factory=list)
    bootstrap_samples: Annotated[int, Field(ge=50, le=2000)] = 200


_DOTTED = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"
TypeName = Annotated[str, StringConstraints(pattern=_DOTTED, max_length=200)]
"""Module and name: `model.Lower`, `sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor`."""


DeclaredKind = Literal["compiled", "python"]


class DetailField(Definition):
    """A field of answers that the version's own code fills, beside what the task answers."""

    type: Literal["int64", "float64", "string", "bool"]
    required: bool = True
    """Whether every answer has it; else it may be null."""
    description: str = ""


class Serving(Definition):
    """How the model answers."""

    log_predictions: bool = True
    max_concurrency: PositiveInt = 64
    max_batch_rows: PositiveInt = 1000
    """Rows that one request may have."""
    deadline_ms: Annotated[int, Field(ge=1, le=LONGEST_DEADLINE_MS)] = LONGEST_DEADLINE_MS
    """Milliseconds after which a request that is not answered is answered 504."""
    memory: MemoryText | None = None
    """Resident memory of a variant's process beyond which it is replaced by a new one. None: no limit."""
    kind: DeclaredKind | None = None
    """What may answer. None: the first compiled kind that scores as the estimator does; where none does, the version's
    own code, in the environment of its training.lock. `compiled`: nothing that needs code of the version, else training
    fails. `python`: the version's own code, in the environment of its serving.lock."""
    details: dict[Column, DetailField] = Field(default_factory=dict)
    """What the model's `details(frame)` answers; of kind `python`."""
    trusted_types: Annotated[list[TypeName], AfterValidator(_known_once)] = Field(default_factory=list)
    """Types that may be made when the state of a `python` model is loaded, beside those that skops trusts."""


class ModelDefinition(Definition):
    """One model version (`models/<name>/v<N>/model.yaml`)."""

    owner: Owner
    description: str
    task: Name
    """What kind of answer the model gives."""
    quantiles: (
        Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1), AfterValidator(_rising)] | None
    ) = None
    """Task `regression`: quantiles of the label that are answered besides its value."""
    group: Column | None = None
    """Task `ranking`: a column of the spine's source; rows with the same value are one list of candidates."""
    spine: Spine
    label: Label
    split: Annotated[TimeSplit | RecentSplit | HashSplit, Field(discriminator="kind")]
    weights: Weights | None = None
    validation: Validation | None = None
    request: Annotated[dict[Column, RequestField], Field(min_length=1)]
    features: list[FeatureUse] = Field(default_factory=list)
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Handed to `build(parameters)` in model.py."""
    evaluation: Evaluation
    serving: Serving = Field(default_factory=Serving)
    environment: ContainerBase = Field(default_factory=ContainerBase)
    resources: ModelResources = Field(default_factory=ModelResources)

    def target(self, file: str) -> TargetSettings:
        """What it says of the answer; `file` is itself, for messages."""
        return TargetSettings(
            task=self.task,
            label=self.label.column,
            file=file,
            positive=self.label.positive,
            quantiles=self.quantiles or [],
            group=self.group,
        )


class RunDefinition(Definition):
    """What one run of a model version is made of beside its definition (`models/<name>/v<N>/run.yaml`).

    It may change while the version serves, by a person or a bot: each content of it gives the version one artifact.
    """

    as_of: Moment | None = None
    """The moment whose knowledge training uses. Required with features, a split by time, or a label's offset."""
    data: dict[Name, DataDigest] = Field(default_factory=dict)
    """Source → digest of its data that this run uses, as dvc.lock had it once; others are as dvc.lock has them now."""


class CanaryPlan(Definition):
    """How traffic moves to a new version."""

    steps: Annotated[list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=1)]
    """Weights of the new version in percent, rising, ending at 100."""
    soak: DurationText
    """The least time at a step before analysis may pass it."""
    minimum_requests: Annotated[int, Field(ge=0)]
    """The fewest requests the new version must have answered at a step."""
    person_above: Percent = 100
    """Steps to a weight above this need a person's approval."""


class VersionedModel(Document):
    """A model definition with its place."""

    name: Name
    version: Version
    definition: ModelDefinition
    run: RunDefinition = RunDefinition()

    @property
    def target(self) -> TargetSettings:
        """What the definition says of the answer."""
        return self.definition.target(f"{self.path}/model.yaml")

    @property
    def path(self) -> str:
        """Directory, relative to the repository."""
        return f"models/{self.name}/{self.version}"

    @property
    def id(self) -> str:
        """`flight_delay/v2`."""
        return f"{self.name}/{self.version}"


class VersionedFeatureSet(Document):
    """A feature set definition with its place."""

    name: Name
    version: Version
    definition: FeatureSetDefinition
    source: SourceDefinition

    @property
    def path(self) -> str:
        """Directory, relative to the repository."""
        return f"features/{self.name}/{self.version}"

    @property
    def id(self) -> str:
        """`carrier_delays/v1`."""
        return f"{self.name}/{self.version}"


class FeatureSchema(Document):
    """What a model artifact expects of a feature set: enough to say whether the same feature can still be had."""

    set: str
    digest: Digest
    """Of the set's meaning: source columns, key, aggregations; not of owner or description."""
    columns: list[str]
