"""Experiments: runs of a model version with other parameters than it says, and how they compare with it."""

from __future__ import annotations

from typing import Any, Literal

from bighead_ci.documents.base import CommitId, Digest, Document, Moment, Name, Version
from bighead_ci.documents.record import EvaluationResult, Metric, MetricDifference, Timings

AS_WRITTEN = "as written"
"""What an experiment is held against: the version with the parameters of its model.yaml."""


class Experiment(Document):
    """One run as it is kept. It is no record: no gate reads it, and nothing can promote or serve it."""

    model: Name
    version: Version
    run_id: str
    """Empty until it is kept."""
    base: Digest
    """Content key of the version as it is written: the files, the data and the engine that all of it rests on."""
    content_key: Digest
    """Of what was run; `base` where nothing was replaced."""
    overrides: dict[str, Any]
    """Parameter → value in place of model.yaml's; `optimizer.rate` is one inside another. Empty: as written."""
    parameters: dict[str, Any]
    """All of them, as model.py got them."""
    commit: CommitId | None
    """The last commit of the work tree; None where there is none."""
    dirty: bool
    """Files that the run could read were not as in that commit."""
    training_set: Digest
    evaluation: EvaluationResult
    differences: list[MetricDifference]
    """This run minus the version as written, by metric."""
    uncompared: str = ""
    """Why there are none."""
    timings: Timings
    recorded_at: Moment

    @property
    def id(self) -> str:
        """`flight_delay/v2`."""
        return f"{self.model}/{self.version}"

    @property
    def seconds(self) -> float:
        """That its stages took; none for what an earlier run had done."""
        return sum(self.timings.seconds.values())


class ComparedExperiment(Document):
    """A row of the comparison."""

    run_id: str
    overrides: dict[str, Any]
    metric: Metric | None
    """The primary one; None where the run did not define it."""
    difference: MetricDifference | None
    """Of it, from the version as written."""
    outcome: Literal["better", "worse", "no clear change", ""]
    uncompared: str
    commit: CommitId | None
    dirty: bool
    seconds: float


class ExperimentTable(Document):
    """Experiments of one version on the same files and data, best first by the primary metric."""

    model: Name
    version: Version
    base: Digest
    metric: str
    higher_is_better: bool
    written: dict[str, Any]
    """Parameter that some row replaces → its value in model.yaml."""
    rows: list[ComparedExperiment]
    command: str
    """For a shell: what shows the runs side by side."""

    @property
    def best(self) -> ComparedExperiment | None:
        """The first row, if it is no version as written and not clearly worse than that."""
        first = self.rows[0] if self.rows else None
        return first if first is not None and first.overrides and first.outcome != "worse" else None
