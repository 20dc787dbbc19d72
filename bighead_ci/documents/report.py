"""Everything a pull request's report shows, as data; `reporting` turns it into Markdown and HTML."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bighead_ci.documents.base import CommitId, Digest, Document, Moment, Percent
from bighead_ci.documents.definition import RequestField
from bighead_ci.documents.image import Reference
from bighead_ci.documents.live import CanaryAnalysis
from bighead_ci.documents.plan import Move, Plan
from bighead_ci.documents.record import DriftResult, MetricDifference, RunRecord, Uncompared
from bighead_ci.documents.verdict import Verdict

ReportState = Literal["passed", "failed", "invalid", "error"]
"""Gates passed, a gate failed, something authored is wrong, something broke."""


class RunningVersion(Document):
    """What one environment serves now, with its record."""

    environment: str
    version: str
    weight: int
    record: RunRecord


class Link(Document):
    """A named place to look further."""

    title: str
    url: str


class ModelReport(Document):
    """One model version of the pull request."""

    record: RunRecord
    running: list[RunningVersion]
    """The stable variant of each environment that serves the model."""
    differences: list[MetricDifference]
    uncompared: list[Uncompared] = Field(default_factory=list)
    drift: DriftResult | None
    """Of the training set against the one of what the last environment in line serves; None when nothing does."""
    verdict: Verdict
    reused: bool
    """True: the content key had a record, nothing was run."""
    seconds: float
    """Wall seconds that this pull request spent on it."""
    request_changes: list[str]
    """What callers must know: `added optional field seats`; against what prod (else staging) runs."""
    package_changes: dict[str, list[str]]
    """Lock → `scikit-learn 1.9.1 → 1.10.0`, against what prod (else staging) runs."""
    links: list[Link]


class FeatureReach(Document):
    """How many of a set's features, of those that a model takes, have a window that reaches a row of their source."""

    set: str
    moment: Moment
    """That windows end at."""
    newest: Moment | None
    """Time of the newest row known then; None: there is none."""
    features: int
    reached: int

    @property
    def words(self) -> str:
        """For people."""
        newest = "no row is known" if self.newest is None else f"the newest row is of {self.newest:%Y-%m-%d %H:%M} UTC"
        return (
            f"{newest}; at {self.moment:%Y-%m-%d %H:%M} UTC, the moment of this workspace, {self.reached} of "
            f"{self.features} features find any"
        )


class PromotionReport(Document):
    """The body of a pull request that edits a release: what the move is, on what evidence, and the way back."""

    environment: str
    model: str
    move: Move
    summary: str
    """`v1 → v2 (canary 10 %)`."""
    weight_before: Percent
    weight_after: Percent
    """Traffic of the variant that the move brings in, gives more or takes away."""
    at: Moment
    verdict: Verdict
    differences: list[MetricDifference]
    uncompared: list[Uncompared] = Field(default_factory=list)
    record: RunRecord | None
    diff: str
    """Unified diff of the release file."""
    commits: list[str]
    """Commits of the incoming version and its features since what serves was made, one line each, newest first."""
    plan_steps: list[int]
    soak: str
    analysis: CanaryAnalysis | None
    rollback: str
    """The command that takes it back."""
    approvals_needed: int
    approvals_because: str
    image: Reference | None
    artifact: Digest | None
    request: dict[str, RequestField]
    reaches: list[FeatureReach] = Field(default_factory=list)
    """Of a promotion: of each feature set that it takes, at the workspace's moment."""


class ApprovalRule(Document):
    """How many people must approve a pull request, for one reason."""

    people: int
    because: str
    """For people: what changes, and which rule says so."""


class PullRequestReport(Document):
    """The one report on a pull request."""

    number: int
    title: str
    commit: CommitId
    base: CommitId
    at: Moment
    state: ReportState
    plan: Plan | None
    problems: list[str]
    """Input errors, ready to read; the state is then `invalid`."""
    models: list[ModelReport]
    moves: list[PromotionReport] = Field(default_factory=list)
    """What each release that it edits would mean."""
    approvals: list[ApprovalRule] = Field(default_factory=list)
    """Who must approve it: the largest number holds."""
    mends: list[str] = Field(default_factory=list)
    """Gates and environments that nobody can read on main: its own versions of these judged it."""
    seconds: float
    reproduce: list[str]
    """Commands that give the same on a laptop."""
    links: list[Link]


class TrainedReport(Document):
    """A run in a checkout, before its pull request."""

    base: CommitId
    """The commit of main that says what runs, and whose gates were asked."""
    at: Moment
    model: ModelReport
    """Its record has no run id: it is not kept."""


class ReportEntry(Document):
    """A line of the list of reports: the newest report on one pull request."""

    number: int
    title: str
    commit: CommitId
    at: Moment
    state: ReportState
    subjects: list[str]
    """What it is about: model versions, and moves of releases."""
    failed: list[str]
    """Gates that failed."""
    page: str
    """Where its page lies, relative to the list."""


class ReportList(Document):
    """All pull requests that were reported on, newest report first."""

    entries: list[ReportEntry]
