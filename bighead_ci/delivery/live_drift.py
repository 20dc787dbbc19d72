"""How far what a model is asked now lies from what it was trained on."""

from __future__ import annotations

from pathlib import Path

from bighead_ci.delivery.context import Context
from bighead_ci.documents.record import DriftResult
from bighead_ci.errors import InputError
from bighead_ci.features.parquet import read_file

LATEST = 5000
"""Predictions that are compared, newest first."""


def live_drift(context: Context, model: str, environment: str, page: Path) -> DriftResult:
    """Compare the inputs of the latest predictions of an environment's stable variant with its training set.

    Args:
        context: The workspace.
        model: Which model.
        environment: Where.
        page: Where Evidently's own page goes.

    Raises:
        InputError: the model does not serve there, its record is gone, or nothing is logged yet.
    """
    desired = context.main().desired
    desired.environment(environment)
    release = desired.release(environment, model)
    if release is None:
        raise InputError(f"{model} does not serve in {environment}")
    stable = release.stable
    record = context.records.by_run(stable.run)
    sample = context.records.file(stable.run, "training_sample.parquet")
    if sample is None:
        raise InputError(f"the record {stable.run} of {model}/{stable.version} holds no sample of its training set")
    live = context.predictions.inputs(environment, model, stable.artifact, LATEST)
    if not live.num_rows:
        raise InputError(f"no prediction of {model}/{stable.version} in {environment} is logged yet")
    page.parent.mkdir(parents=True, exist_ok=True)
    names = (f"training set of {model}/{stable.version}", f"latest {live.num_rows} predictions in {environment}")
    found = context.drift.compare(read_file(sample), live, names, html=page)
    return found.weighed(record.evaluation.importance if record else {})
