"""Stage `record`: all that the others left, as one document, and the sample that drift is measured against.

It reads files alone: whoever runs it, and wherever, the same inputs give the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.results import DataRead, Package, Profile
from bighead_ci.documents.base import replacing, short
from bighead_ci.documents.inputs import VersionInputs
from bighead_ci.documents.record import EvaluationResult, QualityResult, RunResult, TrainingSetSummary
from bighead_ci.documents.stage import RecordOrder
from bighead_ci.errors import BugError, InputError, Problem
from bighead_ci.features.parquet import read_file
from bighead_ci.planning.stages import (
    DATA,
    EVALUATION,
    PACKAGE,
    PROFILE,
    QUALITY,
    RECORD,
    SAMPLE,
    TRAINING_SET,
    TRAINING_SUMMARY,
)
from bighead_ci.ports.progress import Progress

SAMPLE_ROWS = 5000
"""Rows of the training set that are kept with the record, as the reference for drift."""


def make_record(place: StagePlace, progress: Progress) -> RunResult:
    """Leave `record.json` and the sample of the training set.

    Raises:
        InputError: the data that was read is not the data that the run's key names.
    """
    order, out = place.order("record", RecordOrder), place.out
    spec, inputs = order.spec, order.inputs
    data = DataRead.read(out / DATA).digests
    check_data(inputs, data)
    package = Package.read(out / PACKAGE)
    result = RunResult(
        model=spec.model,
        version=spec.version,
        content_key=inputs.content_key,
        inputs=inputs,
        task=spec.task,
        artifact=package.artifact,
        artifact_bytes=package.artifact_bytes,
        parameters=spec.parameters,
        request=spec.request,
        features=spec.features,
        serving=spec.serving,
        packages=spec.packages,
        data=data,
        training_set=TrainingSetSummary.read(out / TRAINING_SUMMARY),
        training_set_digest=package.training_set,
        quality=QualityResult.read(out / QUALITY),
        evaluation=EvaluationResult.read(out / EVALUATION),
        profile=Profile.read(out / PROFILE).columns,
    )
    write_sample(out / TRAINING_SET, place.leaving(SAMPLE))
    result.write(place.leaving(RECORD))
    progress(f"content key {short(result.content_key)}")
    return result


def check_data(inputs: VersionInputs, read: dict[str, str]) -> None:
    """Hold the data that was read against the data that the key names.

    Raises:
        InputError: they differ: the data was changed, or made anew, after the run was planned.
    """
    named = {
        name.removeprefix("data:"): digest
        for name, digest in inputs.stages["training-set"].items()
        if name.startswith("data:")
    }
    message = "the run was planned on other data than it read: run it again, with the dvc.lock of this data committed"
    problems = [
        Problem(
            file="dvc.lock",
            subject=path,
            message=message,
            value=read.get(path, "nothing"),
            allowed=named.get(path, "nothing"),
        )
        for path in sorted(named.keys() | read.keys())
        if named.get(path) != read.get(path)
    ]
    if problems:
        raise InputError(problems)


def write_sample(training_set: Path, destination: Path) -> None:
    """Evenly spaced rows of the training part: the same rows on every run, and every season in them."""
    table = read_file(training_set)
    if "__part" not in table.column_names:
        raise BugError(f"{training_set} has no column __part")
    train = table.filter(pc.equal(table["__part"], "train"))
    wanted = min(SAMPLE_ROWS, train.num_rows)
    rows = np.linspace(0, train.num_rows - 1, wanted).astype(np.int64) if wanted else np.array([], dtype=np.int64)
    inputs = [name for name in train.column_names if not name.startswith("__")]
    with replacing(destination) as beside:
        pq.write_table(train.select(inputs).take(pa.array(rows)), beside)
