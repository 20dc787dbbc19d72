"""Stage `training-set`: spine, point-in-time features and label, as one Parquet file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.results import DataRead
from bighead_ci.documents.record import TrainingSetSummary
from bighead_ci.documents.stage import SourceData, StageOrder, TrainingSetSpec
from bighead_ci.errors import InputError, Problem, RetryError
from bighead_ci.planning.stages import DATA, TRAINING_SET, TRAINING_SUMMARY
from bighead_ci.ports.offline_store import OfflineStore
from bighead_ci.ports.progress import Progress

DATA_LOCK = "dvc.lock"


def make_training_set(place: StagePlace, store: OfflineStore, progress: Progress) -> TrainingSetSummary:
    """Leave the training set, what it holds, and which data it was made of.

    Raises:
        InputError: a source's data is not what the run is planned on, or does not fit its definition.
        RetryError: the data was changed while it was read.
    """
    spec = place.order("training-set", StageOrder[TrainingSetSpec]).spec
    read = verified(place.checkout, spec)
    files = {name: place.checkout / data.file for name, data in spec.data.items()}
    before = {path: _stamp(path) for path in files.values()}
    summary = store.training_set(spec, files, place.out / TRAINING_SET)
    changed = sorted(str(path) for path, stamp in before.items() if _stamp(path) != stamp)
    if changed:
        raise RetryError(f"{', '.join(changed)} changed while it was read; run it again")
    summary.write(place.out / TRAINING_SUMMARY)
    DataRead(digests=read).write(place.out / DATA)
    progress(
        f"{summary.train_rows:,} rows to train, {summary.evaluate_rows:,} to evaluate, "
        f"{len(summary.columns)} inputs; left out: {summary.immature:,} immature, {summary.unlabelled:,} unlabelled"
    )
    return summary


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
    file = DATA_LOCK if data.file == data.path else f"{spec.path}/run.yaml"
    if file != DATA_LOCK:
        message = (
            "the data that this run chose is in no cache here: `git log -S` with its digest finds the commit whose "
            "dvc.lock names it; check that commit out and run `dvc repro dvc.yaml`"
        )
    elif found is None:
        message = "the data is not there: `dvc pull` brings it, `dvc repro dvc.yaml` makes it"
    else:
        message = (
            "the data is not what dvc.lock names: bring that back (`dvc checkout`, `dvc pull`), or, if what is here "
            "is right, run `dvc commit dvc.yaml` and commit dvc.lock"
        )
    return Problem(file=file, subject=data.path, message=message, value=found, allowed=data.digest)


def digest_of_file(path: Path) -> str | None:
    """MD5 of a file's content, by which DVC names it; None if there is no such file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except (FileNotFoundError, IsADirectoryError):
        return None


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
