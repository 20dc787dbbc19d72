"""What an estimator becomes to be served: kinds of artifact are tried in order, and parity decides.

No converter is trusted. Each form is loaded as serving loads it and scores the evaluation rows, the authored golden
rows and an adversarial set made from the estimator; one row that differs by more than the tolerance refuses the form.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bighead_ci.delivery.stages.made import Made, Way, Ways
from bighead_ci.delivery.stages.results import MeasuredConversion
from bighead_ci.documents.artifact import GOLDEN, MANIFEST, ArtifactManifest, GoldenRow, GoldenRows
from bighead_ci.documents.record import Conversion, RefusedKind
from bighead_ci.errors import InputError
from bighead_ci.model_code.code import ModelCode
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.scorer import Floats, Scorer
from bighead_ci.scorers.artifact import open_artifact
from bighead_ci.scorers.deviation import deviation
from bighead_ci.transforms.adversarial import AdversarialRows, adversarial_rows
from bighead_ci.transforms.columns import Columns, appended
from bighead_ci.transforms.domains import find_domains, scored_where_taken, within

MARGIN = 2
"""The set is a sample: a form must be so many times nearer on it than `TOLERANCE`."""
TOLERANCE = 1e-5
"""How far the artifact's score of a row may be from the training framework's, beyond 1 relative to it."""
SAMPLED_GOLDEN = 8
TIMED_ROWS = 50
COMPILE = "simplify the pipeline's preprocessing, or give the model a to_onnx(inputs)"
INSTEAD = {
    "compiled": f"{COMPILE}; or write no `serving: {{kind: compiled}}`: then its own code may answer",
    "mismatch": "save(directory) leaves out, or load(directory) does not read, something that answers need",
    "unkept": f"mend what keeps its own code from answering; or {COMPILE}",
}
"""What to do where nothing answers as the estimator does: by what was tried, and what became of its own code."""
SHOWN = 60
"""Characters of a cell in a message."""


@dataclass(frozen=True)
class Trained:
    """An estimator and the rows that its forms are judged on."""

    estimator: Any
    scores: Callable[[Columns], Floats]
    """What the estimator itself gives, shape (rows, outputs)."""
    authored: Columns
    """Golden rows."""
    evaluation: Columns
    training: Columns


@dataclass(frozen=True)
class _Batch:
    """Rows with what the framework gives for them. A column's type is the same for all: what is missing is apart."""

    columns: Columns
    wanted: Floats
    about: Sequence[str]
    """Of adversarial rows, what is odd about each; of others nothing."""

    def at(self, rows: npt.NDArray[np.int64]) -> _Batch:
        """Some of them."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return _Batch(columns, self.wanted[rows], [self.about[row] for row in rows] if self.about else [])

    def row(self, at: int) -> dict[str, Any]:
        return {name: plain(values[at]) for name, values in self.columns.items()}

    def described(self, at: int) -> str:
        if self.about:
            return self.about[at]
        row = self.row(at)
        missing = [name for name, value in row.items() if value is None or value == ""]
        return f"a row with nulls in {', '.join(missing)}" if missing else f"the row {_shown(row)}"


@dataclass(frozen=True)
class _Trial:
    """A parity set: golden rows, evaluation rows, adversarial ones."""

    scores: Callable[[Columns], Floats]
    """The estimator's."""
    authored: _Batch
    evaluation: _Batch
    adversarial: Sequence[_Batch]
    unanswered: Sequence[AdversarialRows]
    """Adversarial rows that no domain excludes, and that the estimator has no number for."""

    @property
    def batches(self) -> list[_Batch]:
        return [batch for batch in (self.authored, self.evaluation, *self.adversarial) if len(batch.wanted)]

    def within(self, manifest: ArtifactManifest) -> _Trial:
        """What a form is asked that takes less than the estimator.

        Raises:
            InputError: it does not take a row that was trained or is to be answered.
        """
        for batch in (self.authored, self.evaluation):
            outside = np.flatnonzero(~within(manifest.domains, batch.columns))
            if len(outside):
                raise InputError(f"takes less than the estimator, and not {batch.described(int(outside[0]))}")
        odd = [one.at(np.flatnonzero(within(manifest.domains, one.columns))) for one in self.adversarial]
        unanswered = [one.at(np.flatnonzero(within(manifest.domains, one.columns))) for one in self.unanswered]
        return _Trial(self.scores, self.authored, self.evaluation, odd, unanswered)

    def agreed(self, scorer: Scorer, batch: _Batch, at: int) -> Floats | None:
        """What the estimator gives a row, among others or alone, if that is what the scorer gives it alone.

        An estimator itself may round a row among others to other last digits than the row alone.
        """
        found = np.array([scorer.score_row(batch.row(at))])
        one = batch.at(np.array([at], dtype=np.int64))
        if _errors(found, one.wanted)[0] <= TOLERANCE:
            return one.wanted
        alone = self.scores(one.columns)
        return alone if _errors(found, alone)[0] <= TOLERANCE else None


def convert(
    trained: Trained, manifest: ArtifactManifest, ways: Ways, code: ModelCode, destination: Path, progress: Progress
) -> MeasuredConversion:
    """Leave the first form that scores as the estimator does as an artifact.

    Args:
        trained: The estimator.
        manifest: What the artifact says of itself; its kind, files and domains are found here.
        ways: What to try.
        code: The version's.
        destination: The artifact's directory.
        progress: Gets a line as each part is done.

    Raises:
        InputError: no form does; says of each why not.
    """
    found = ways(trained.estimator, manifest, code, trained.training)
    seen = appended(trained.evaluation, trained.training)
    domains = find_domains(trained.estimator, trained.scores, manifest.inputs, seen)
    manifest = manifest.model_copy(update={"domains": domains})
    trial = _trial(trained, manifest, seen)
    failed: list[tuple[Way, InputError]] = []
    for way in found:
        try:
            made = way.make(trained.estimator, manifest, code)
            mine = trial.within(made.manifest)
            errors = _judged(made.scorer, mine)
        except InputError as error:
            failed.append((way, error))
            continue
        measured = _measured(made, mine, errors, failed)
        _write(destination, made, _golden(made.scorer, mine, errors))
        _say(measured, made, progress)
        return measured
    raise _nothing_answers(trained.estimator, failed, code)


def _nothing_answers(estimator: Any, failed: Sequence[tuple[Way, InputError]], code: ModelCode) -> InputError:
    """Why no form of the estimator may serve, each by its name, with the places and lines that some of them give."""
    kept = next((error for way, error in failed if way.name == "python"), None)
    instead = INSTEAD["compiled" if kept is None else "unkept" if kept.problems else "mismatch"]
    if len(failed) == 1 and failed[0][1].problems:
        return failed[0][1] if kept else failed[0][1].saying(instead)
    reasons = "".join(f"\n  {way.name}: {_where(error) or _one_line(error)}" for way, error in failed)
    message = f"no form of {type(estimator).__name__} scores as it does itself: {instead}{reasons}"
    placed = [problem for _, error in failed for problem in error.problems]
    return InputError([code.problem("train" if code.trains else "build", message), *placed])


def _where(error: InputError) -> str:
    """What the places say by themselves, in more than one line."""
    places = {one.file if one.line is None else f"{one.file}:{one.line}" for one in error.problems}
    return f"see {', '.join(sorted(places))}" if places else ""


def _measured(
    made: Made, trial: _Trial, errors: Sequence[Floats], failed: Sequence[tuple[Way, InputError]]
) -> MeasuredConversion:
    conversion = Conversion(
        kind=made.manifest.kind,
        rows=sum(map(len, errors)),
        adversarial_rows=sum(len(batch.wanted) for batch in trial.adversarial),
        tolerance=TOLERANCE,
        largest=max(float(one.max()) for one in errors),
        refused=[RefusedKind(kind=way.name, reason=_one_line(error)) for way, error in failed],
    )
    return MeasuredConversion(conversion=conversion, milliseconds=_milliseconds_a_row(made.scorer, trial.batches[-1]))


def _trial(trained: Trained, manifest: ArtifactManifest, seen: Columns) -> _Trial:
    authored, evaluation = (_Batch(rows, trained.scores(rows), []) for rows in (trained.authored, trained.evaluation))
    odd, unanswered = [], []
    for rows in adversarial_rows(trained.estimator, trained.scores, manifest.inputs, seen):
        inside = rows.at(np.flatnonzero(within(manifest.domains, rows.columns)))
        scores, taken = scored_where_taken(trained.scores, inside.columns, evaluation.wanted.shape[1])
        kept = inside.at(np.flatnonzero(taken))
        odd.append(_Batch(kept.columns, scores[taken], kept.about))
        unanswered.append(inside.at(np.flatnonzero(~taken)))
    return _Trial(trained.scores, authored, evaluation, odd, unanswered)


def _judged(scorer: Scorer, trial: _Trial) -> list[Floats]:
    """How far the scores of each batch's rows are from the framework's.

    Raises:
        InputError: some are too far; says how many and describes the furthest.
    """
    errors = [_errors(scorer.score(batch.columns), batch.wanted) for batch in trial.batches]
    beyond, rows = sum(int((one > TOLERANCE).sum()) for one in errors), sum(map(len, errors))
    if beyond:
        batch, found = max(zip(trial.batches, errors, strict=True), key=lambda pair: pair[1].max())
        raise InputError(
            f"scores {beyond:,} of {rows:,} rows differently by more than {TOLERANCE:g} "
            f"(by {found.max():.3g} for {batch.described(int(found.argmax()))})"
        )
    largest = max(float(one.max()) for one in errors)
    if largest > TOLERANCE / MARGIN:
        raise InputError(
            f"is as far as {largest:.2g} from the estimator on these rows, too near {TOLERANCE:g} for others"
        )
    for batch in trial.batches:
        for at in _spaced(len(batch.wanted), TIMED_ROWS):
            if trial.agreed(scorer, batch, at) is None:
                raise InputError(f"scores one row otherwise than among others: {batch.described(at)}")
    for odd in trial.unanswered:
        _, answered = scored_where_taken(scorer.score, odd.columns, trial.evaluation.wanted.shape[1])
        if places := np.flatnonzero(answered).tolist():
            raise InputError(
                f"answers {len(places):,} rows that the estimator has no number for, one with {odd.about[places[0]]}"
            )
    return errors


def _errors(found: Floats, wanted: Floats) -> Floats:
    """The largest difference of each row's scores, relative to those beyond 1."""
    if found.shape != wanted.shape:
        raise InputError(f"gives scores of shape {found.shape}, the estimator {wanted.shape}")
    largest: Floats = deviation(found, wanted).max(axis=1, initial=0.0)
    return largest


def _milliseconds_a_row(scorer: Scorer, batch: _Batch) -> float:
    """Median time of one row."""
    taken = []
    for row in [batch.row(at) for at in _spaced(len(batch.wanted), TIMED_ROWS)]:
        started = time.perf_counter()
        scorer.score_row(row)
        taken.append(time.perf_counter() - started)
    return round(float(np.median(taken)) * 1000, 3) if taken else 0.0


def _golden(scorer: Scorer, trial: _Trial, errors: Sequence[Floats]) -> GoldenRows:
    """The authored rows, some of every other batch evenly spaced, and the furthest of each."""
    chosen = [(trial.authored, at) for at in range(len(trial.authored.wanted))]
    for batch, found in zip(trial.batches, errors, strict=True):
        if batch is not trial.authored:
            picked = sorted({*_spaced(len(found), SAMPLED_GOLDEN), int(found.argmax())})
            chosen += [(batch, at) for at in picked]
    rows = []
    for batch, at in chosen:
        if _is_json(inputs := batch.row(at)):
            agreed = trial.agreed(scorer, batch, at)
            scores = batch.wanted[at] if agreed is None else agreed[0]
            rows.append(GoldenRow(inputs=inputs, scores=scores.tolist()))
    return GoldenRows(tolerance=TOLERANCE, rows=rows)


def _spaced(rows: int, most: int) -> list[int]:
    found: list[int] = np.linspace(0, rows - 1, min(most, rows)).astype(np.int64).tolist()
    return found


def _is_json(row: Mapping[str, Any]) -> bool:
    """Whether JSON can say all of it: it has no infinities."""
    return not any(isinstance(value, float) and math.isinf(value) for value in row.values())


def plain(value: Any) -> Any:
    """A cell as JSON; a missing number is null."""
    if isinstance(value, np.ndarray):
        return [plain(one) for one in value]
    if isinstance(value, str):
        return value
    found = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(found, float) and np.isnan(found) else found


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


def _say(measured: MeasuredConversion, made: Made, progress: Progress) -> None:
    conversion = measured.conversion
    for one in conversion.refused:
        progress(f"not {one.kind}: {one.reason}")
    _say_domains(made.manifest, progress)
    size = sum(map(len, made.files.values())) / 1024
    progress(
        f"artifact of kind {conversion.kind}, {size:,.0f} KiB, {measured.milliseconds:g} ms a row, within "
        f"{conversion.largest:.1g} of the estimator on {conversion.rows:,} rows, "
        f"{conversion.adversarial_rows:,} of them adversarial"
    )


def _say_domains(manifest: ArtifactManifest, progress: Progress) -> None:
    for domain in manifest.domains:
        bounds = [
            "" if domain.values is None else f"only the {len(domain.values):,} values it knows",
            "" if domain.null else "no missing value",
            "" if domain.lowest is None and domain.highest is None else domain.limits(),
        ]
        progress(f"{domain.input} takes {' and '.join(filter(None, bounds))}: the server refuses others")


def _one_line(error: InputError) -> str:
    return " ".join(str(error).split())


def _shown(row: Mapping[str, Any]) -> str:
    cells = (f"{name}={value!r}" for name, value in row.items())
    return ", ".join(cell if len(cell) <= SHOWN else f"{cell[:SHOWN]}…" for cell in cells)
