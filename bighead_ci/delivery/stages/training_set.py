"""Stage `training-set`: spine, point-in-time features and label, as one Parquet file."""

from __future__ import annotations

from pathlib import Path

from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.results import DataRead
from bighead_ci.delivery.stages.source_data import digest_of_file, not_as_chosen, not_as_locked
from bighead_ci.documents.record import TrainingSetSummary
from bighead_ci.documents.stage import SourceData, StageOrder, TrainingSetSpec
from bighead_ci.errors import InputError, Problem, RetryError
from bighead_ci.planning.stages import DATA, TRAINING_SET, TRAINING_SUMMARY
from bighead_ci.ports.offline_store import OfflineStore
from bighead_ci.ports.progress import Progress


def make_training_set(place: StagePlace, store: OfflineStore, progress: Progress) -> TrainingSetSummary:
    """Leave the training set, what it holds, and which data it was made of.

    Raises:
        InputError: a source's data is not what the run is planned on, or does not fit its definition, or leaves no row
            to train or to evaluate on.
        RetryError: the data was changed while it was read.
    """
    spec = place.order("training-set", StageOrder[TrainingSetSpec]).spec
    read = verified(place.checkout, spec)
    files = {name: place.checkout / data.file for name, data in spec.data.items()}
    before = {path: _stamp(path) for path in files.values()}
    summary = store.training_set(spec, files, place.leaving(TRAINING_SET))
    changed = sorted(str(path) for path, stamp in before.items() if _stamp(path) != stamp)
    if changed:
        raise RetryError(f"{', '.join(changed)} changed while it was read; run it again")
    _check_rows(spec, summary)
    summary.write(place.leaving(TRAINING_SUMMARY))
    DataRead(digests=read).write(place.leaving(DATA))
    progress(
        f"{summary.train_rows:,} rows to train, {summary.evaluate_rows:,} to evaluate, "
        f"{len(summary.columns)} inputs; left out: {summary.immature:,} immature, {summary.unlabelled:,} unlabelled"
    )
    for name, count in summary.beyond.items():
        progress(f"{name}: {count:,} values are null, for its type cannot hold them; declare its column float64")
    return summary


def _check_rows(spec: TrainingSetSpec, summary: TrainingSetSummary) -> None:
    """Refuse a training set of which a part is empty, with where the spine's rows went."""
    parts = {"to train on": summary.train_rows, "to evaluate on": summary.evaluate_rows}
    empty = " or ".join(part for part, rows in parts.items() if not rows)
    if empty:
        went = (
            f"{summary.outside_split:,} rows are outside the split, {summary.unlabelled:,} have no label or none that "
            f"is a finite number, {summary.immature:,} have one that was not yet known"
        )
        message = f"leaves no row {empty}: {went}"
        raise InputError([Problem(file=f"{spec.path}/model.yaml", subject="split", message=message)])


def verified(checkout: Path, spec: TrainingSetSpec) -> dict[str, str]:
    """Path → digest of each data file, as it is.

    Raises:
        InputError: one is missing, or is not what its digest says; names all of them and what to do.
    """
    wanted = spec.data.values()
    found = {data.path: digest_of_file(checkout / data.file) for data in wanted}
    problems = [problem for data in wanted if (problem := _data_problem(spec, data, found[data.path]))]
    if problems:
        raise InputError(problems)
    return {path: digest for path, digest in found.items() if digest is not None}


def _data_problem(spec: TrainingSetSpec, data: SourceData, found: str | None) -> Problem | None:
    """What is wrong with a source's data, whose digest was found to be this (None: there is no such file)."""
    if found == data.digest:
        return None
    if data.file == data.path:
        return not_as_locked(data.path, found, data.digest)
    return not_as_chosen(f"{spec.path}/run.yaml", data, found)


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
