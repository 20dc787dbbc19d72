"""Which kind of artifact every estimator becomes, and how many rows its artifact scores otherwise than it does itself.

Each estimator of scikit-learn that a task admits, XGBoost and LightGBM are trained on nulls, rare categories and
numbers of all sizes, converted by the code of the stage `train`, loaded from disk again and held against themselves on
rows that the conversion did not see.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import skops.io
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # publishes no types

from benchmarks import outcome
from benchmarks.parity_estimators import PREPROCESSING, Case, booster_cases, scikit_learn_cases
from benchmarks.parity_rows import INPUTS, held_out, random_rows, truth
from bighead_ci.delivery.stages.compiling import compiled
from bighead_ci.delivery.stages.conversion import TOLERANCE, Trained, convert
from bighead_ci.delivery.stages.keeping import kept
from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.target import Target
from bighead_ci.errors import InputError
from bighead_ci.model_code.code import ModelCode
from bighead_ci.model_code.frame import estimator_frame
from bighead_ci.model_code.scorer import code_loaders
from bighead_ci.ports.progress import silent
from bighead_ci.ports.scorer import Scorer
from bighead_ci.scorers.artifact import artifact_digest, load_artifact
from bighead_ci.scorers.deviation import deviation
from bighead_ci.scorers.registry import LOADERS
from bighead_ci.serving.domains import Domains
from bighead_ci.tasks.registry import task_named
from bighead_ci.transforms.columns import Columns, row_count
from bighead_ci.transforms.compilers import COMPILERS
from bighead_ci.transforms.domains import scored_where_taken

Floats = npt.NDArray[np.float64]
TRAINING, EVALUATION, SINGLE = 300, 80, 10
"""Rows; of each batch that is held out, so many are scored one by one as well."""
ENOUGH = 2
"""Times that an estimator's own code answers; it is not tried behind more, for that can hardly differ from itself."""
LIST = 20
"""Rows of one list of a ranking."""
OUTPUTS = {"binary": ["0", "1"], "multiclass": ["0", "1", "2"], "regression": ["value"], "ranking": ["score"]}


class NotAdmittedError(Exception):
    """The estimator cannot do the task with these data; says why."""


@dataclass
class Found:
    """What became of one case."""

    case: Case
    kind: str
    refused: dict[str, str] = field(default_factory=dict)
    """Kind → why it did not answer as the estimator."""
    rows: int = 0
    """Held out, that the server lets through and the estimator answers."""
    differing: int = 0
    answered_where_it_raises: int = 0
    """Rows that the server lets through, the estimator raises on or answers NaN, and the artifact answers."""
    largest: float = 0.0
    seconds: float = 0.0
    example: dict[str, Any] | None = None
    """One of the rows that differ."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        about = {"estimator": self.case.estimator, "task": self.case.task, "pipeline": self.case.pipeline}
        return about | {name: value for name, value in vars(self).items() if name != "case" and value not in (None, {})}


@dataclass
class Outcome:
    """What became of one estimator's cases, as JSON."""

    found: list[dict[str, Any]] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Preprocessing → why the estimator cannot be trained behind it, or has no scores of the task."""


def measure() -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """Every estimator, every task, every preprocessing; as many at a time as there are processors."""
    started = time.perf_counter()
    groups = _groups()
    outcomes: dict[str, Outcome] = {}
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for cases, done in zip(groups, pool.map(_tried, range(len(groups))), strict=True):
            name = f"{cases[0].estimator}, {cases[0].task}"
            print(f"{name}: {Counter(one['kind'] for one in done.found)}", file=sys.stderr, flush=True)
            outcomes[name] = done
    return _figures(outcomes, time.perf_counter() - started)


def _groups() -> list[list[Case]]:
    """Cases of one estimator and task together."""
    groups = list(scikit_learn_cases())
    boosters: dict[tuple[str, str], list[Case]] = {}
    for case in booster_cases():
        boosters.setdefault((case.estimator, case.task), []).append(case)
    return [*groups, *boosters.values()]


def _tried(group: int) -> Outcome:
    """The group's outcome, in a process of its own, to which what makes an estimator cannot be sent."""
    done = Outcome()
    for case in _groups()[group]:
        about = PREPROCESSING.get(case.pipeline)
        if about is not None and about.only_if_needed and done.found:
            continue
        if [one["kind"] for one in done.found].count("python") >= ENOUGH:
            continue
        try:
            done.found.append(become(case).document())
        except NotAdmittedError as error:
            done.skipped[case.pipeline] = str(error)
    return done


def become(case: Case) -> Found:
    """Train an estimator, convert it, and score its artifact again.

    Raises:
        NotAdmittedError: it cannot be trained, or has no scores of the task.
    """
    started = time.perf_counter()
    with threadpool_limits(1), warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        np.random.seed(0)  # noqa: NPY002 - as the stage does
        estimator, nulls = _fitted(case)
        with TemporaryDirectory(prefix="bighead-parity-") as directory:
            found = _judged(case, estimator, Path(directory), nulls=nulls)
    found.seconds = round(time.perf_counter() - started, 2)
    return found


def _fitted(case: Case) -> tuple[Any, bool]:
    """Fitted on rows with nulls, or without where it refuses those; which."""
    problems, method = [], task_named(case.task).scored_by
    for nulls in (True, False):
        try:
            estimator = _fit(case, random_rows(TRAINING, case.inputs, 0, nulls=nulls))
            if not hasattr(estimator, method):
                raise NotAdmittedError(f"it has no {method}")  # noqa: TRY301 - said after others have had their say
            scores = _scores(case, estimator, random_rows(EVALUATION, case.inputs, 1, nulls=nulls))
        except NotAdmittedError:
            raise
        except Exception as error:  # noqa: BLE001 - estimators raise what they want
            problems.append(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
            continue
        if scores.shape == (EVALUATION, len(OUTPUTS[case.task])) and np.isfinite(scores).all():
            return estimator, nulls
        problems.append(f"its scores have the shape {scores.shape}, or are no finite numbers")
    raise NotAdmittedError(problems[-1])


def _fit(case: Case, rows: Columns) -> Any:
    frame, value = estimator_frame(rows, [INPUTS[name] for name in case.inputs]), truth(rows)
    estimator = case.make()
    if case.task == "ranking":
        lists = np.arange(len(frame)) // LIST
        grades = np.digitize(value, np.quantile(value, [0.4, 0.7, 0.9]))
        xgboost = type(estimator).__module__.startswith("xgboost")
        return estimator.fit(frame, grades, **({"qid": lists} if xgboost else {"group": np.bincount(lists)}))
    if case.task == "regression":
        return estimator.fit(frame, np.exp(value / 2))
    cuts = [0.5] if case.task == "binary" else [0.4, 0.8]
    return estimator.fit(frame, np.digitize(value, np.quantile(value, cuts)))


def _scores(case: Case, estimator: Any, columns: Columns) -> Floats:
    frame = estimator_frame(columns, [INPUTS[name] for name in case.inputs])
    return task_named(case.task).scores(estimator, frame)


def _judged(case: Case, estimator: Any, directory: Path, *, nulls: bool) -> Found:
    def scores(columns: Columns) -> Floats:
        return _scores(case, estimator, columns)

    evaluation = random_rows(EVALUATION, case.inputs, 1, nulls=nulls)
    training = random_rows(TRAINING, case.inputs, 0, nulls=nulls)
    trained = Trained(
        estimator, scores, {name: values[:2] for name, values in evaluation.items()}, evaluation, training
    )
    (directory / "model.py").write_text("def build(parameters): ...\n")
    code = ModelCode(directory, "models/m/v1")
    artifact = directory / "artifact"
    try:
        said = convert(trained, _manifest(case, estimator), compiled(COMPILERS, kept), code, artifact, silent)
    except InputError as error:
        return Found(case, "none", {"all": " ".join(str(error).split())})
    found = Found(case, said.conversion.kind, {one.kind: one.reason for one in said.conversion.refused})
    loaders = {**LOADERS, **code_loaders(directory)}
    scorer = load_artifact(artifact, artifact_digest(artifact), loaders)
    manifest = ArtifactManifest.read(artifact / "artifact.json")
    for batch in held_out(case.inputs, scores, 1000, nulls=nulls):
        _compare(found, scorer, scores, _let_through(manifest, batch))
    return found


def _manifest(case: Case, estimator: Any) -> ArtifactManifest:
    try:
        trusted = skops.io.get_untrusted_types(data=skops.io.dumps(estimator))  # as reviewers of model.yaml would
    except Exception:  # noqa: BLE001 - what skops cannot write becomes no python artifact, and `convert` says why
        trusted = []
    return ArtifactManifest(
        model="m", version="v1", target=Target(task=case.task, outputs=OUTPUTS[case.task]),
        inputs=[INPUTS[name] for name in case.inputs], request={}, features=[], feature_keys={}, trusted_types=trusted,
    )  # fmt: skip


def _let_through(manifest: ArtifactManifest, batch: Columns) -> Columns:
    """The rows that the server scores."""
    domains = Domains(manifest)
    kept = [at for at in range(row_count(batch)) if not domains.problems(_row(batch, at))]
    return {name: values[kept] for name, values in batch.items()}


def _row(columns: Columns, at: int) -> dict[str, Any]:
    cells = {name: values[at] for name, values in columns.items()}
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in cells.items()}
    return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in plain.items()}


def _compare(found: Found, scorer: Scorer, scores: Any, rows: Columns) -> None:
    outputs = len(scorer.manifest.target.outputs)
    wanted, answered = scored_where_taken(scores, rows, outputs)
    ours, ours_answered = scored_where_taken(scorer.score, rows, outputs)
    for at in np.linspace(0, row_count(rows) - 1, min(SINGLE, row_count(rows))).astype(np.int64):
        single, alone = scored_where_taken(lambda some: _one_by_one(scorer, some), _some(rows, [at]), outputs)
        if alone[0] != answered[at] or deviation(single, wanted[[at]]).max() > TOLERANCE:
            wanted[[at]], answered[[at]] = scored_where_taken(scores, _some(rows, [at]), outputs)
            ours[at], ours_answered[at] = single[0], alone[0]
    apart = np.where(ours_answered, deviation(ours, wanted).max(axis=1), np.inf)[answered]
    beyond = apart > TOLERANCE
    found.rows += int(answered.sum())
    found.differing += int(beyond.sum())
    found.largest = max(found.largest, float(apart.max(initial=0.0)))
    odd = np.flatnonzero(~answered & ours_answered)
    found.answered_where_it_raises += len(odd)
    if found.example is None and (beyond.any() or len(odd)):
        at = int(np.flatnonzero(answered)[beyond.argmax()]) if beyond.any() else int(odd[0])
        cells = {name: repr(value) for name, value in _row(rows, at).items()}
        found.example = cells | {"artifact": ours[at].tolist(), "estimator": wanted[at].tolist()}


def _one_by_one(scorer: Scorer, rows: Columns) -> Floats:
    return np.array([scorer.score_row(_row(rows, at)) for at in range(row_count(rows))])


def _some(rows: Columns, at: Any) -> Columns:
    return {name: values[at] for name, values in rows.items()}


def _figures(outcomes: dict[str, Outcome], seconds: float) -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    details = [one for done in outcomes.values() for one in done.found]
    kinds = Counter(one["kind"] for one in details)
    odd = {"rows_that_differ": "differing", "rows_answered_where_the_estimator_raises": "answered_where_it_raises"}
    sums: dict[str, float] = {name: sum(one[key] for one in details) for name, key in odd.items()}
    figures: dict[str, Any] = {
        "estimators": len({one["estimator"] for one in details}),
        "estimators_and_tasks": sum(bool(done.found) for done in outcomes.values()),
        "cases": len(details),
        "kinds": dict(sorted(kinds.items())),
        "rows_held_out": sum(one["rows"] for one in details),
        **sums,
        "largest_difference": max((one["largest"] for one in details), default=0.0),
        "seconds": round(seconds, 1),
        "not_admitted": {name: done.skipped for name, done in outcomes.items() if not done.found},
        "not_with": {name: done.skipped for name, done in outcomes.items() if done.found and done.skipped},
        "details": details,
    }
    bars = {name: (figure, 0.0) for name, figure in sums.items()}
    return figures, bars | {"cases_without_a_form": (float(kinds["none"]), 0.0)}


if __name__ == "__main__":
    outcome.run("parity", __doc__ or "", measure)
