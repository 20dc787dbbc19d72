"""What runs, and what it did: the platform's answers, what telemetry says of a canary, and the prediction log."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from bighead_ci.documents.base import CommitId, Digest, Document, Moment, Name, Version
from bighead_ci.documents.definition import LONGEST_DEADLINE_MS, Serving
from bighead_ci.documents.histogram import Histogram
from bighead_ci.documents.image import CODE, Reference
from bighead_ci.documents.stores import ObjectStore, RedisUrl

BODY_LIMIT = 1 << 20
"""Bytes of a request's body: the router refuses longer ones, and so does a process that is asked directly."""

OTHERWISE = "x-bighead-otherwise"
"""Header by which a router says which variant answers a request that the one it asks declines."""
UNREADY = "x-bighead-unready"
"""Header of an answer that declines a request: its process is not ready. The router asks again, elsewhere if it may."""


class DesiredVariant(Document):
    """One process that should run."""

    name: str
    model: Name
    version: Version
    image: Reference
    artifact: Digest
    run: str
    """Id of its record."""
    weight: int
    serving: Serving = Serving()
    """How it answers, by its record; git alone does not say."""


class DesiredModel(Document):
    """One model's traffic in one environment, as git says."""

    environment: Name
    model: Name
    commit: CommitId
    """The commit of main that says so."""
    variants: list[DesiredVariant]


class VariantConfig(Document):
    """What a variant's process is told. Unknown fields are ignored: an older engine reads a newer platform's."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    environment: Name
    variant: str
    model: Name
    version: Version
    image: Reference
    artifact: Digest
    artifact_path: Path
    online_store: Path
    """Opened only if the artifact takes features, and whoever starts the process has no other one."""
    predictions: Path | None
    """Root of the prediction log. None: predictions are not logged, or elsewhere."""
    directory: Path
    """Where the process says who and where it is, or why it refuses to serve."""
    clock_offset_seconds: float = 0.0
    max_concurrency: int = 64
    max_batch_rows: int = 1000
    deadline_ms: int = LONGEST_DEADLINE_MS
    memory_bytes: int | None = None
    host: str = "127.0.0.1"
    port: int = 0
    """0: any that is free; the process says which."""


class ContainerConfig(Document):
    """What the container of a variant is told, on Docker and on Kubernetes: `entry_points.container` reads it.

    No secret is in it: credentials of the stores are in the container's environment. Unknown fields are ignored: an
    image may be older than what starts it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    environment: Name
    variant: str
    model: Name
    version: Version
    image: Reference
    artifact: Digest
    artifact_path: Path | None = None
    """Where the artifact is mounted; None: it is fetched from `store`."""
    store: ObjectStore | None = None
    """Where the artifact comes from and predictions go, as far as they are in no directory."""
    online_store_url: RedisUrl | None = None
    """Where features are. Opened only if the artifact takes some."""
    online_store_path: Path | None = None
    """Where an embedded online store is mounted instead."""
    log_predictions: bool = True
    predictions_path: Path | None = None
    """Root of the prediction log in a directory; None: it is in `store`."""
    code: Path = Path(CODE)
    """Directory with the version's own files."""
    clock_offset_seconds: float = 0.0
    max_concurrency: int = 64
    max_batch_rows: int = 1000
    deadline_ms: int = LONGEST_DEADLINE_MS
    memory_bytes: int | None = None
    host: str = "0.0.0.0"  # noqa: S104 - of the container
    port: int = Field(default=8080, ge=1, le=65535)


class ServingProcess(Document):
    """`process.json`, written by a variant's process once it answers."""

    pid: int
    port: int


class ReplacementWish(Document):
    """`replace.json`, written by a variant's process that another one should take the place of."""

    pid: int
    reason: str


RESTARTS_FILE = "restarts.json"


class Restarts(Document):
    """How often a variant's process was started again, in its directory; by whoever starts it."""

    count: int = 0
    reason: str = ""
    """Of the last time."""
    at: float = 0.0
    """The last time, in seconds since 1970."""
    hasty: int = 0
    """How many of them, in a row and up to the last, came soon after the one before."""


class CodeOrder(Document):
    """What the process that runs a version's own code is told by the variant's."""

    artifact: Digest
    artifact_path: Path
    code: Path
    """Directory with the version's code."""
    memory_bytes: int | None


class LiveVariant(Document):
    """One process that does run."""

    name: str
    version: Version
    image: str
    """As it runs: whoever changes a cluster by hand may name it otherwise than by digest."""
    artifact: Digest
    state: Literal["starting", "ready", "unready", "dead"]
    weight: int
    """In force at the router."""
    pid: int | None
    port: int | None
    reason: str = ""
    """Why it is not ready."""
    restarts: int = 0
    """How often its process was started again because it ended, hung or took too much memory."""
    restarted: str = ""
    """Why, the last time."""


class LiveModel(Document):
    """One model's traffic in one environment, as the platform sees it."""

    environment: Name
    model: Name
    url: str
    since: Moment | None = None
    """Since when the platform has seen these weights in force; None: no traffic, or it cannot tell."""
    before: Moment | None = None
    """Since when it saw the weights before these in force, until `since`; None: there were none, or it cannot tell."""
    variants: list[LiveVariant]


class VariantTelemetry(Document):
    """What one variant did over a span of time; input of the canary gates."""

    variant: str
    version: Version
    requests: int
    errors: int
    """Answers with status 5xx or 429, and failures to answer."""
    error_ratio: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    least_p95_ms: float
    """The least that p95 can be beyond chance: with 50 requests p95 is the third slowest of them, with 5,000 a fact."""
    score_mean: float
    score_histogram: Histogram
    null_ratio: dict[str, float]
    """Input → share of answered requests in which it was null."""


class CanaryAnalysis(Document):
    """Candidate against stable between two moments at the same weights."""

    environment: Name
    model: Name
    weight: int
    """The candidate's, by git."""
    measured_share: float
    """Candidate's requests / all requests, in percent, at the router."""
    since: Moment
    until: Moment
    seconds: float
    candidate: VariantTelemetry
    stable: VariantTelemetry
    """While it has traffic by weight, over the same span; once it has none, over the step before, where it had some.

    No requests where nobody can tell what it did in that step.
    """
    stable_step: Literal["present", "before"] = "present"
    """Of which step the stable's figures are."""
    error_rise: float
    """The least by which the share of errors has risen beyond chance; over zero where the stable had no requests."""
    score_shift: float
    """How much further the candidate's scores lie from those of its own evaluation than the stable's do from theirs.

    Both are population stability indices beyond chance; the difference takes out what changed in the world since,
    which both see.
    """


class Prediction(Document):
    """One row of the prediction log."""

    prediction_id: str
    at: Moment
    environment: Name
    model: Name
    version: Version
    variant: str
    artifact: Digest
    as_of: Moment
    """The instant features were looked up for."""
    known_until: dict[str, Moment] = Field(default_factory=dict)
    """Feature set → before which moment events had to be known to be in what was looked up."""
    request: dict[str, Any]
    inputs: dict[str, Any]
    scores: list[float]
    milliseconds: float
    list_id: str | None = None
    """Of the list of candidates that the row was put in order with; None: it was answered by itself."""
