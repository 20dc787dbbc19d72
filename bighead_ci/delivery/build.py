"""Makes sure that a planned model version has a record: reuse it by content key, or run the stages and record them."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from bighead_ci.definitions.loading import load_model
from bighead_ci.delivery.context import Context, Progress
from bighead_ci.delivery.desired import Desired
from bighead_ci.delivery.running import running_versions
from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.plan import PlannedModel
from bighead_ci.documents.record import (
    ColumnProfile,
    DriftResult,
    EvaluationResult,
    QualityResult,
    RunRecord,
    Timings,
    TrainingSetSummary,
)
from bighead_ci.documents.report import RunningVersion
from bighead_ci.errors import BugError, InputError

SAMPLE_ROWS = 5000
"""Rows of the training set that are kept with the record, as the reference for drift."""


@dataclass(frozen=True)
class Built:
    """A record and what it took to get it."""

    record: RunRecord
    reused: bool
    seconds: float


def ensure_record(context: Context, planned: PlannedModel, commit: str, desired: Desired, progress: Progress) -> Built:
    """The record of a planned model version at a commit, whole; trains only if no whole record has its content key.

    Of several processes that want one content key, one builds and the others wait for it. The work tree it runs in is
    made anew each time; stages that an interrupted run had finished come back from the shared cache.

    Raises:
        InputError: the model's own code or data is wrong; or it is damaged and something else came out.
        RetryError: disk full, locks held.
    """
    started = time.monotonic()
    record = _whole(context, planned)
    if record is None:
        with _alone(context, planned, progress):
            record = _whole(context, planned)
            if record is None:
                record = _make(context, planned, commit, desired, progress)
                return Built(record, False, time.monotonic() - started)
    progress(f"{planned.id}: content key {planned.content_key[7:19]} has a record, nothing to run")
    return Built(record, True, time.monotonic() - started)


def _whole(context: Context, planned: PlannedModel) -> RunRecord | None:
    """The record of the content key, if it can still be served."""
    found = context.records.by_content_key(planned.content_key)
    return None if found is None or _damage(context, found) else found


def _damage(context: Context, record: RunRecord) -> str:
    """Why what a record stands for can no longer be served; empty when it can."""
    try:
        context.records.artifact(record.artifact)
    except InputError as error:
        return f"the artifact of record {record.run_id} is missing or damaged: {error}"
    if context.images.find(record.image) is None:
        return f"image {record.image[7:19]} of record {record.run_id} is missing or damaged"
    return ""


def _make(context: Context, planned: PlannedModel, commit: str, desired: Desired, progress: Progress) -> RunRecord:
    """Run the stages. For a damaged record at its own commit: the image is also made of files outside the key."""
    damaged = context.records.by_content_key(planned.content_key)
    if damaged is None:
        return _build(context, planned, commit, desired, progress)
    progress(f"{planned.id}: {_damage(context, damaged)}; made again")
    _build(context, planned, damaged.commit, desired, progress)
    if still := _damage(context, damaged):
        raise InputError(f"{planned.id}: making it again gave something else; restore it from a copy: {still}")
    return damaged


@contextmanager
def _alone(context: Context, planned: PlannedModel, progress: Progress) -> Iterator[None]:
    """Hold the content key's lock; the system releases it when its holder dies."""
    context.workspace.checkouts.mkdir(parents=True, exist_ok=True)
    lock = FileLock(context.workspace.checkouts / f".{planned.content_key[7:]}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        progress(f"{planned.id}: another process builds this very content key; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _build(context: Context, planned: PlannedModel, commit: str, desired: Desired, progress: Progress) -> RunRecord:
    checkout = context.workspace.checkouts / f"{commit[:12]}-{planned.model}-{planned.version}"
    shutil.rmtree(checkout, ignore_errors=True)
    context.repository.checkout(commit, checkout)
    directory = f"models/{planned.model}/{planned.version}"
    progress(f"{planned.id}: image")
    context.images.build(checkout / directory, planned.model, planned.version)
    timings = context.orchestrator.run(checkout, directory, lambda line: progress(f"{planned.id}: {line}"))
    record = _record(context, planned, commit, checkout, timings, desired)
    shutil.rmtree(checkout, ignore_errors=True)
    return record


def _record(
    context: Context, planned: PlannedModel, commit: str, checkout: Path, timings: Timings, desired: Desired
) -> RunRecord:
    out = checkout / "models" / planned.model / planned.version / "out"
    package = json.loads((out / "package.json").read_text())
    manifest = ArtifactManifest.read(out / "artifact" / "artifact.json")
    model = load_model(context.repository.tree(commit), planned.model, planned.version)
    sample = _sample(out / "training_set.parquet", out / "training_sample.parquet")
    running = running_versions(context, desired, planned.model)
    page = out / "drift.html"
    record = RunRecord(
        run_id="",
        model=planned.model,
        version=planned.version,
        content_key=planned.content_key,
        commit=commit,
        recorded_at=context.clock.now(),
        image=package["image"],
        artifact=package["artifact"],
        artifact_bytes=package["artifact_bytes"],
        parameters=model.definition.parameters,
        request=manifest.request,
        features=manifest.features,
        training_set=TrainingSetSummary.read(out / "training_set.json"),
        training_set_digest=package["training_set"],
        quality=QualityResult.read(out / "quality.json"),
        drift=_drift(context, sample, running, planned, page),
        evaluation=EvaluationResult.read(out / "evaluation.json"),
        profile=[ColumnProfile.model_validate(c) for c in json.loads((out / "profile.json").read_text())["columns"]],
        timings=timings,
    )
    files = {
        "artifact": out / "artifact",
        "predictions.parquet": out / "predictions.parquet",
        "training_sample.parquet": sample,
    }
    if page.exists():
        files["report/drift.html"] = page
    return context.records.save(record, files)


def _sample(training_set: Path, destination: Path) -> Path:
    """Evenly spaced rows of the training part: the same rows on every run, and every season in them."""
    table = pq.read_table(training_set)
    if "__part" not in table.column_names:
        raise BugError(f"{training_set} has no column __part")
    train = table.filter(pa.compute.equal(table["__part"], "train"))
    wanted = min(SAMPLE_ROWS, train.num_rows)
    rows = np.linspace(0, train.num_rows - 1, wanted).astype(np.int64) if wanted else np.array([], dtype=np.int64)
    inputs = [name for name in train.column_names if not name.startswith("__")]
    pq.write_table(train.select(inputs).take(pa.array(rows)), destination)
    return destination


def _drift(
    context: Context, sample: Path, running: list[RunningVersion], planned: PlannedModel, page: Path
) -> DriftResult | None:
    """Training set against the one of what the last environment in line serves."""
    if not running:
        return None
    reference = running[-1]
    path = context.records.file(reference.record.run_id, "training_sample.parquet")
    if path is None:
        return None
    return context.drift.compare(
        pq.read_table(path).to_pandas(),
        pq.read_table(sample).to_pandas(),
        (f"training set of {reference.record.id} ({reference.environment})", f"training set of {planned.id}"),
        html=page,
    )
