"""Stage `train`: run model.py on the training rows and turn what it learned into a model artifact."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # publishes no types

from bighead_ci.delivery.stages.made import Made, Make
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.predictions import labels_of
from bighead_ci.delivery.stages.results import Conversion
from bighead_ci.delivery.stages.training_data import training_data
from bighead_ci.delivery.stages.version_code import code_directory
from bighead_ci.documents.artifact import (
    GOLDEN,
    GRAPH,
    MANIFEST,
    ArtifactInput,
    ArtifactManifest,
    GoldenRow,
    GoldenRows,
    InputDomain,
)
from bighead_ci.documents.stage import StageOrder, TrainSpec
from bighead_ci.documents.target import Target
from bighead_ci.errors import InputError, Problem
from bighead_ci.features.parquet import read_file
from bighead_ci.model_code.code import ModelCode
from bighead_ci.model_code.fitting import fit
from bighead_ci.model_code.frame import estimator_frame
from bighead_ci.planning.stages import ARTIFACT, CONVERSION, TRAINING_SET
from bighead_ci.ports.progress import Progress
from bighead_ci.tasks.registry import task_named
from bighead_ci.tasks.scored import Labels
from bighead_ci.transforms.artifact import LOADERS, Scorer, open_artifact
from bighead_ci.transforms.columns import Columns, authored_columns, input_columns
from bighead_ci.transforms.deviation import deviation
from bighead_ci.transforms.domains import find_domains

TOLERANCE = 1e-5
"""How far the artifact's score of a row may be from the training framework's."""
BEYOND_ALLOWED = 0.001
"""Share of the evaluation rows that may be further: rows whose value sits on a tree's threshold."""
SAMPLED_GOLDEN = 8
INSTEAD = {
    "onnx": "simplify the pipeline's preprocessing, or write `serving: {kind: python}` and run `bighead lock`",
    "python": "save(directory) leaves out, or load(directory) does not read, something that answers need",
}
"""Kind → what to do where it does not answer as the estimator does."""

Floats = npt.NDArray[np.float64]
Converter = Callable[[Any, Sequence[ArtifactInput]], bytes]


def train(place: StagePlace, make: Make, progress: Progress) -> Conversion:
    """Leave the model artifact and `conversion.json`.

    Args:
        place: The model version.
        make: What becomes of the trained model.
        progress: Gets a line as each part is done.

    Raises:
        InputError: model.py raised, the labels do not fit the task, or what was made does not answer as the model does.
    """
    spec = place.order("train", StageOrder[TrainSpec]).spec
    table = read_file(place.out / TRAINING_SET)
    part = table["__part"]
    train_rows, evaluation_rows = table.filter(pc.equal(part, "train")), table.filter(pc.equal(part, "evaluate"))
    if not train_rows.num_rows:
        raise InputError(f"{spec.id}: the training set has no row to train on; see split in model.yaml")
    target = task_named(spec.target.task).target(labels_of(train_rows), spec.target)
    with code_directory(place, spec.code) as directory:
        code = ModelCode(directory, spec.path)
        estimator = _fit(spec, code, train_rows, target, progress)
        columns = _appended(
            input_columns(evaluation_rows, spec.inputs), authored_columns(spec.golden_rows, spec.inputs)
        )
        framework = _scores(estimator, columns, spec, target, code)
        target = target.model_copy(update={"bounds": task_named(target.task).bounds(framework)})
        made = make(estimator, _manifest(spec, target), code)
        errors = deviation(made.scorer.score(columns), framework).max(axis=1, initial=0.0)
        conversion = _judged(spec, errors, made)
        domains = _domains(spec, estimator, made.scorer.score, columns, train_rows)
        manifest = made.manifest.model_copy(update={"domains": domains})
        _say_domains(manifest, progress)
        _write(place.leaving(ARTIFACT), replace(made, manifest=manifest), _golden(spec, columns, framework, errors))
    conversion.write(place.leaving(CONVERSION))
    size = sum(map(len, made.files.values())) / 1024
    progress(f"artifact of kind {manifest.kind}, {size:,.0f} KiB, within {conversion.largest:.1g} of the estimator")
    return conversion


def compiled(convert: Converter) -> Make:
    """Makes the ONNX form of an estimator, by itself if it has a `to_onnx(inputs)`."""

    def make(estimator: Any, manifest: ArtifactManifest, code: ModelCode) -> Made:
        if code.trains and not hasattr(estimator, "to_onnx"):
            instead = (
                "write `serving: {kind: python}` in model.yaml, then run `bighead lock`; or give it to_onnx(inputs)"
            )
            raise InputError([code.problem("train", f"{type(estimator).__name__} has no compiled form: {instead}")])
        graph = _converted(estimator, manifest, convert, code)
        return Made(manifest, {GRAPH: graph}, Scorer(manifest, graph), LOADERS, "ONNX form of the estimator")

    return make


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
    )


def _fit(spec: TrainSpec, code: ModelCode, rows: pa.Table, target: Target, progress: Progress) -> Any:
    truth = task_named(target.task).truth(labels_of(rows), target, "training rows")
    data = training_data(spec, rows, truth, target)
    kept = f", {len(data.validation.frame):,} kept for validation" if data.validation else ""
    progress(f"fitting on {len(data.frame):,} rows x {len(spec.inputs)} inputs{kept}")
    np.random.seed(0)  # noqa: NPY002 - an estimator that was given no seed takes this generator
    # Numerical libraries add in another order with another number of threads, and waiting threads that spin make a busy
    # machine ten times slower.
    with threadpool_limits(1):
        method = task_named(target.task).scored_by
        if code.trains:
            return code.train(data, spec.parameters, [method])
        estimator = code.build(spec.parameters, ["fit", method])
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


def _converted(estimator: Any, manifest: ArtifactManifest, convert: Converter, code: ModelCode) -> bytes:
    if not hasattr(estimator, "to_onnx"):
        return convert(estimator, manifest.inputs)
    with code.blaming("to_onnx"):
        graph: bytes = estimator.to_onnx(manifest.inputs)
    return graph


def _domains(
    spec: TrainSpec, estimator: Any, graph: Callable[[Columns], Floats], columns: Columns, train_rows: pa.Table
) -> list[InputDomain]:
    task = task_named(spec.target.task)

    def scores(rows: Columns) -> Floats:
        return task.scores(estimator, estimator_frame(rows, spec.inputs))

    seen = _appended(columns, input_columns(train_rows, spec.inputs))
    try:
        return find_domains(estimator, scores, graph, spec.inputs, seen, TOLERANCE)
    except InputError as error:
        raise InputError(f"{spec.id}: {error}") from error


def _say_domains(manifest: ArtifactManifest, progress: Progress) -> None:
    for domain in manifest.domains:
        values = "" if domain.values is None else f"only the {len(domain.values):,} values it knows"
        missing = "" if domain.null else "no missing value"
        progress(f"{domain.input} takes {' and '.join(filter(None, (values, missing)))}: the server refuses others")


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


def _judged(spec: TrainSpec, errors: Floats, made: Made) -> Conversion:
    beyond = int((errors > TOLERANCE).sum()) + int(np.isnan(errors).sum())
    largest = float(np.nanmax(errors, initial=0.0))
    if beyond > BEYOND_ALLOWED * len(errors):
        raise InputError(
            f"{spec.id}: the {made.about} scores {beyond:,} of {len(errors):,} rows differently "
            f"by more than {TOLERANCE:g} (largest {largest:.3g}); {INSTEAD[made.manifest.kind]}"
        )
    return Conversion(rows=len(errors), largest=largest, beyond_tolerance=beyond)


def _golden(spec: TrainSpec, columns: Columns, framework: Floats, errors: Floats) -> GoldenRows:
    """The authored rows, some of the evaluation rows evenly spaced, and the worst one within tolerance."""
    own = len(errors) - len(spec.golden_rows)
    within = np.where(errors <= TOLERANCE, errors, -1.0)
    if not (within[own:] >= 0).all():
        raise InputError(f"{spec.path}/golden_rows.json: a row scores differently by more than {TOLERANCE:g}")
    spaced = np.linspace(0, own - 1, min(SAMPLED_GOLDEN, own)).astype(int) if own else np.array([], dtype=int)
    chosen = [
        *range(own, len(errors)),
        *sorted({*spaced.tolist(), int(within.argmax())} - set(range(own, len(errors)))),
    ]
    rows = [
        GoldenRow(
            inputs={name: _plain(values[row]) for name, values in columns.items()}, scores=framework[row].tolist()
        )
        for row in chosen
        if within[row] >= 0
    ]
    return GoldenRows(tolerance=TOLERANCE, rows=rows)


def _plain(value: Any) -> Any:
    """A cell as JSON; a missing number is null."""
    if isinstance(value, np.ndarray):
        return [_plain(one) for one in value]
    if isinstance(value, str):
        return value
    return None if np.isnan(value) else float(value)


def _appended(first: Columns, second: Columns) -> Columns:
    return {name: np.concatenate([values, second[name]]) for name, values in first.items()}


def _write(directory: Path, made: Made, golden: GoldenRows) -> None:
    beside = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    made.manifest.write(beside / MANIFEST)
    for name, content in made.files.items():
        (beside / name).write_bytes(content)
    golden.write(beside / GOLDEN)
    open_artifact(beside, made.loaders)
    shutil.rmtree(directory, ignore_errors=True)
    beside.rename(directory)
