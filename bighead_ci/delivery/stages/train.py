"""Stage `train`: run model.py on the training rows and turn what it learned into a model artifact."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # publishes no types

from bighead_ci.delivery.stages.conversion import Trained, convert
from bighead_ci.delivery.stages.made import Ways
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.predictions import labels_of
from bighead_ci.delivery.stages.training_data import training_data
from bighead_ci.delivery.stages.version_code import code_directory
from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.record import Conversion
from bighead_ci.documents.stage import StageOrder, TrainSpec
from bighead_ci.documents.target import Target
from bighead_ci.errors import InputError, Problem
from bighead_ci.features.parquet import read_file
from bighead_ci.model_code.code import ModelCode
from bighead_ci.model_code.fitting import fit
from bighead_ci.model_code.frame import estimator_frame
from bighead_ci.model_code.scorer import PythonScorer
from bighead_ci.planning.stages import ARTIFACT, CONVERSION, TRAINING_SET
from bighead_ci.ports.progress import Progress
from bighead_ci.tasks.places import LABEL, at_field
from bighead_ci.tasks.registry import task_named
from bighead_ci.tasks.scored import Labels
from bighead_ci.tasks.task import TRAINING_ROWS
from bighead_ci.transforms.columns import Columns, authored_columns, input_columns, row_count

Floats = npt.NDArray[np.float64]


def train(place: StagePlace, ways: Ways, progress: Progress) -> Conversion:
    """Leave the model artifact and `conversion.json`.

    Args:
        place: The model version.
        ways: What the trained model may become.
        progress: Gets a line as each part is done.

    Raises:
        InputError: model.py raised, the labels do not fit the task, or nothing that it became answers as the model.
    """
    spec = place.order("train", StageOrder[TrainSpec]).spec
    table = read_file(place.out / TRAINING_SET)
    part = table["__part"]
    train_rows, evaluation_rows = table.filter(pc.equal(part, "train")), table.filter(pc.equal(part, "evaluate"))
    target = task_named(spec.target.task).target(labels_of(train_rows), spec.target)
    # Numerical libraries add in another order with another number of threads, and waiting threads that spin make a busy
    # machine ten times slower.
    with code_directory(place, spec.code) as directory, threadpool_limits(1):
        code = ModelCode(directory, spec.path)
        estimator = _fit(spec, code, train_rows, target, progress)
        trained = Trained(
            estimator=estimator,
            scores=lambda columns: task_named(target.task).scores(estimator, estimator_frame(columns, spec.inputs)),
            authored=authored_columns(spec.golden_rows, spec.inputs),
            evaluation=input_columns(evaluation_rows, spec.inputs),
            training=input_columns(train_rows, spec.inputs),
        )
        framework = [_scores(estimator, trained.evaluation, spec, target, code)] if evaluation_rows.num_rows else []
        framework += [_golden_scores(estimator, trained.authored, spec, target, code)] if spec.golden_rows else []
        bounds = task_named(target.task).bounds(np.concatenate(framework))
        manifest = _manifest(spec, target.model_copy(update={"bounds": bounds}))
        if manifest.details:
            PythonScorer(manifest, estimator, code).details(trained.evaluation)
        measured = convert(trained, manifest, ways, code, place.leaving(ARTIFACT), progress)
    measured.write(place.leaving(CONVERSION))
    return measured.conversion


def _manifest(spec: TrainSpec, target: Target) -> ArtifactManifest:
    return ArtifactManifest(
        model=spec.model,
        version=spec.version,
        target=target,
        inputs=spec.inputs,
        request=spec.request,
        features=spec.features,
        feature_keys=spec.feature_keys,
        trusted_types=spec.trusted_types,
        details=spec.details,
    )


def _fit(spec: TrainSpec, code: ModelCode, rows: pa.Table, target: Target, progress: Progress) -> Any:
    with at_field(spec.target.file, LABEL):
        truth = task_named(target.task).truth(labels_of(rows), target, TRAINING_ROWS)
    data = training_data(spec, rows, truth, target)
    kept = f", {len(data.validation.frame):,} kept for validation" if data.validation else ""
    progress(f"fitting on {len(data.frame):,} rows x {len(spec.inputs)} inputs{kept}")
    np.random.seed(0)  # noqa: NPY002 - an estimator that was given no seed takes this generator
    methods = [task_named(target.task).scored_by, *(["details"] if spec.details else [])]
    if code.trains:
        return code.train(data, spec.parameters, methods)
    estimator = code.build(spec.parameters, ["fit", *methods])
    try:
        fit(estimator, data, code)
    except InputError as error:
        raise _about_labels(error, spec, code, data.label) from error
    return estimator


def _about_labels(error: InputError, spec: TrainSpec, code: ModelCode, truth: Labels) -> InputError:
    """What `fit` says of labels, a Poisson loss of negative ones, with their range and the line of `build`."""
    about = task_named(spec.target.task).about_labels(truth)
    said = error.saying(f"the label is {spec.target.label}, {about}") if about else error
    built = code.problem("build", "").line
    return InputError(
        replace(problem, line=built) if problem.line is None and problem.file == code.shown else problem
        for problem in said.problems
    )


def _golden_scores(estimator: Any, rows: Columns, spec: TrainSpec, target: Target, code: ModelCode) -> Floats:
    """The same of the golden rows; what the estimator raises on one of them is said of that row."""
    try:
        return _scores(estimator, rows, spec, target, code)
    except InputError:
        problems = []
        for at in range(row_count(rows)):
            try:
                _scores(estimator, {name: values[at : at + 1] for name, values in rows.items()}, spec, target, code)
            except InputError as error:
                message = f"the estimator does not take this row: {'; '.join(map(str, error.problems))}"
                subject, allowed = str(at), "values that it was trained on, or an estimator that takes these"
                file = f"{spec.path}/golden_rows.json"
                problems.append(Problem(file=file, subject=subject, message=message, allowed=allowed))
        if problems:
            raise InputError(problems) from None
        raise


def _scores(estimator: Any, columns: Columns, spec: TrainSpec, target: Target, code: ModelCode) -> Floats:
    """What the estimator itself gives the rows, shape (rows, outputs)."""
    frame, task = estimator_frame(columns, spec.inputs), task_named(target.task)
    asked = task.scored_by
    with code.blaming(asked):
        scores = task.scores(estimator, frame)
    wanted = (len(frame), len(target.outputs))
    if scores.shape != wanted:
        message, allowed = "has the wrong shape", f"{wanted}: a row each, and {', '.join(target.outputs)}"
        problem = Problem(file=code.shown, subject=asked, message=message, value=str(scores.shape), allowed=allowed)
        raise InputError([problem])
    if len(wrong := np.flatnonzero(~np.isfinite(scores).all(axis=1))):
        message = (
            f"answers what is no number to {len(wrong):,} of {len(frame):,} rows, the first {scores[wrong[0]].tolist()}"
        )
        raise InputError([code.problem(asked, message)])
    return scores
