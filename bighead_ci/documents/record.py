"""What a run of the stages leaves: data summary, quality, drift, evaluation, package, and the record of it all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from bighead_ci.documents.artifact import Kind
from bighead_ci.documents.base import CommitId, Digest, Document, Moment, Name, Version
from bighead_ci.documents.chart import Chart
from bighead_ci.documents.definition import FeatureSchema, RequestField, Serving
from bighead_ci.documents.explanation import Attributed
from bighead_ci.documents.histogram import Histogram
from bighead_ci.documents.image import ImageRef, Reference
from bighead_ci.documents.inputs import Target as ImageTarget
from bighead_ci.documents.inputs import VersionInputs
from bighead_ci.documents.sandbox import SandboxKind
from bighead_ci.documents.target import Target

LEAST_IMPORTANCE = 0.02
"""Share of the scores' movement below which an input that drifts is no news."""


class TrainingSetSummary(Document):
    """What the training set holds and what was left out, counted."""

    rows: int
    train_rows: int
    evaluate_rows: int
    outside_split: int
    """Spine rows in neither range."""
    unlabelled: int
    """Rows whose label is null or was not found."""
    immature: int
    """Rows whose label was not yet mature at `as_of`."""
    columns: list[str]
    """Estimator inputs in order: request inputs, then `set.feature` columns."""
    beyond: dict[str, int] = Field(default_factory=dict)
    """Feature → how many of its values are null because its type cannot hold the result: a sum beyond int64."""


class ExpectationResult(Document):
    """One expectation of a suite, checked on data."""

    suite: str
    """`features/carrier_delays/v1` or `models/flight_delay/v2`."""
    type: str
    column: str | None
    success: bool
    observed: str
    """What was seen, short and readable."""
    expected: str
    unexpected_count: int | None = None


class QualityResult(Document):
    """All expectations of one run."""

    results: list[ExpectationResult]

    @property
    def passed(self) -> int:
        """How many expectations hold."""
        return sum(result.success for result in self.results)

    @property
    def failed(self) -> int:
        """How many do not."""
        return len(self.results) - self.passed


class ColumnProfile(Document):
    """One column's distribution in short."""

    column: str
    type: str
    rows: int
    nulls: int
    mean: float | None = None
    std: float | None = None
    minimum: int | float | None = None
    """An integer where no float64 is equal to it."""
    maximum: int | float | None = None
    quantiles: list[float] = Field(default_factory=list)
    """At 0.05, 0.25, 0.5, 0.75, 0.95 for numbers."""
    top: dict[str, int] = Field(default_factory=dict)
    """Most frequent values of a string column, at most ten."""


class ColumnDrift(Document):
    """How far one column moved."""

    column: str
    method: str
    score: float
    """Distance by `method`, larger is further."""
    threshold: float
    drifted: bool
    """Beyond the threshold, and further than chance explains."""
    chance: float = 0.0
    """How probable it is that among all columns of two samples of one distribution any lies as far apart."""
    importance: float | None = None
    """Share of all that the model's scores owe to its inputs; None where that was not measured."""

    @property
    def matters(self) -> bool:
        """Whether it drifted and the scores rest on it, as far as that is known."""
        return self.drifted and (self.importance is None or self.importance >= LEAST_IMPORTANCE)


class DriftResult(Document):
    """Current data against reference data."""

    reference: str
    """What the reference is, for people: `training set of flight_delay/v1 (3f2a…)`."""
    current: str
    reference_rows: int
    current_rows: int
    columns: list[ColumnDrift]
    """Furthest first; once weighed, those that matter before the others."""

    @property
    def drifted(self) -> int:
        """How many columns drifted."""
        return sum(column.drifted for column in self.columns)

    @property
    def matters(self) -> list[str]:
        """Columns that drifted and that the scores rest on."""
        return [column.column for column in self.columns if column.matters]

    def weighed(self, importance: Mapping[str, float]) -> DriftResult:
        """With the importance of each column: those that matter first, the most important before."""
        columns = [one.model_copy(update={"importance": importance.get(one.column)}) for one in self.columns]
        ranked = sorted(columns, key=lambda one: (not one.matters, -(one.importance or 0.0) if one.matters else 0.0))
        return self.model_copy(update={"columns": ranked})


class Metric(Document):
    """A measured figure with its 95 % confidence interval."""

    value: float
    low: float
    high: float


class Slice(Document):
    """Metrics on the rows where `column` = `value`."""

    column: str
    value: str
    rows: int
    metrics: dict[str, Metric]


class RefusedKind(Document):
    """A form of the estimator that does not serve."""

    kind: str
    """`onnx`, or `onnx (float32)` where there are several ways to a kind."""
    reason: str


class Conversion(Document):
    """What the estimator became, and how well that reproduces it."""

    kind: Kind
    rows: int
    """Golden rows, evaluation rows and adversarial ones that the estimator takes."""
    adversarial_rows: int
    tolerance: float
    """How far scores may be apart, relative to those beyond 1."""
    largest: float
    """How far they are."""
    beyond_tolerance: Literal[0] = 0
    """Rows that are further; one would have refused the kind."""
    refused: list[RefusedKind] = Field(default_factory=list)
    """Kinds that were tried before."""


class EvaluationResult(Document):
    """How well the packaged artifact (not the estimator in memory) does on the evaluation rows."""

    primary: str
    metrics: dict[str, Metric]
    slices: list[Slice]
    rows: int
    target: Target
    """What the scores are."""
    charts: list[Chart] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    """What must be known to read the metrics rightly, a sentence each."""
    score_histogram: Histogram
    """The number that stands for an answer, in the target's bins."""
    conversion_error: float
    """Largest difference between the framework's own scores and the artifact's, on all rows that it was judged on."""
    conversion: Conversion | None = None
    """None in records from before there were kinds."""
    importance: dict[str, float] = Field(default_factory=dict)
    """Input → share of how far scores move when its values are exchanged between rows; empty in older records."""
    attributed: Attributed | None = None
    """Exact, where the kind of artifact explains its scores; else None."""

    @model_validator(mode="before")
    @classmethod
    def _of_older_engines(cls, value: Any) -> Any:
        """They knew tasks with classes alone, and kept each of their charts in a field of its own."""
        if not isinstance(value, dict) or "classes" not in value:
            return value
        kept = {name: part for name, part in value.items() if name not in _OLDER_FIELDS}
        names = value["classes"]
        task = "binary" if len(names) == len(("negative", "positive")) else "multiclass"
        return kept | {"target": {"task": task, "outputs": names}, "charts": [*_older_charts(value)]}


_OLDER_FIELDS = frozenset({"calibration", "roc", "confusion", "classes"})


def _older_charts(evaluation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if points := evaluation.get("roc"):
        x, y = "false positive rate", "true positive rate"
        yield {"kind": "curve", "name": "ROC", "x": x, "y": y, "points": points, "dots": False}
    if points := evaluation.get("calibration"):
        yield {"kind": "curve", "name": "calibration", "x": "mean score", "y": "observed rate", "points": points}
    if counts := evaluation.get("confusion"):
        yield {"kind": "matrix", "name": "confusion", "names": evaluation["classes"], "counts": counts}


class MetricDifference(Document):
    """This run against another on the rows both scored; the interval is of the paired difference."""

    metric: str
    against: str
    """Whose: an environment name."""
    model_version: Version
    ours: float
    theirs: float
    difference: float
    low: float
    high: float
    rows: int
    """How many both scored; `ours` and `theirs` are measured on these."""


class Uncompared(Document):
    """Why this run has no difference from what an environment serves."""

    against: str
    """Whose: an environment name."""
    model_version: Version
    reason: str
    changed: bool = False
    """Event ids of the other run stand for other rows here: an error of the source."""


class Comparison(Document):
    """A run against what each environment serves."""

    differences: list[MetricDifference] = Field(default_factory=list)
    uncompared: list[Uncompared] = Field(default_factory=list)


class Timings(Document):
    """Wall seconds by stage, and the stages that were reused."""

    seconds: dict[str, float]
    reused: list[str]


class RunResult(Document):
    """`record.json`: what the stages of one run found, from their files alone. Same content key, same result.

    It knows no environment: how it compares with what runs somewhere is measured when a report is made.
    """

    model: Name
    version: Version
    content_key: Digest
    inputs: VersionInputs
    task: Name
    artifact: Digest
    artifact_bytes: int
    parameters: dict[str, Any]
    request: dict[str, RequestField]
    features: list[FeatureSchema]
    serving: Serving
    packages: dict[Literal["training", "serving"], dict[str, str]]
    """Lock → distribution → version."""
    data: dict[str, str]
    """Path of a source's data → digest of what was read."""
    training_set: TrainingSetSummary
    training_set_digest: Digest
    quality: QualityResult
    evaluation: EvaluationResult
    profile: list[ColumnProfile]

    @property
    def id(self) -> str:
        """`flight_delay/v2`."""
        return f"{self.model}/{self.version}"

    @property
    def kind(self) -> Kind | None:
        """Of the artifact; None in records from before there were kinds, when all were compiled."""
        return self.evaluation.conversion.kind if self.evaluation.conversion else None

    @property
    def fell(self) -> bool:
        """Whether its own code answers because nothing compiled does, and not because model.yaml asks for that."""
        return self.kind == "python" and self.serving.kind is None


class RunRecord(RunResult):
    """A result as it is kept: the evidence that gates read."""

    run_id: str
    commit: CommitId
    """The commit whose files were run."""
    recorded_at: Moment
    images: dict[ImageTarget, ImageRef]
    timings: Timings
    row_milliseconds: float | None = None
    """Median time in which the artifact scored one row, where it was trained; None in older records."""
    sandbox: SandboxKind = "none"
    """What held the stages' code, the weakest of them; before there were sandboxes, nothing did."""
    status: Literal["complete"] = "complete"

    @property
    def image(self) -> Reference:
        """What serves the artifact."""
        return self.images["serve"].reference
