"""The data of sources as files: which they are, and what is said of those that are not what they should be."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bighead_ci.documents.stage import SourceData
from bighead_ci.errors import Problem

DATA_LOCK = "dvc.lock"


def digest_of_file(path: Path) -> str | None:
    """MD5 of a file's content, by which DVC names it; None if there is no such file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except (FileNotFoundError, IsADirectoryError):
        return None


def not_as_locked(path: str, found: str | None, wanted: str) -> Problem:
    """Data that are not those of dvc.lock; `found` None: they are not there."""
    if found is None:
        message = "the data is not there: `dvc pull` brings it, `dvc repro dvc.yaml` makes it"
    else:
        message = (
            "the data is not what dvc.lock names: bring that back (`dvc checkout`, `dvc pull`), or, if what is here "
            "is right, run `dvc commit dvc.yaml` and commit dvc.lock"
        )
    return Problem(file=DATA_LOCK, subject=path, message=message, value=found, allowed=wanted)


def not_as_chosen(run_file: str, data: SourceData, found: str | None) -> Problem:
    """Data that a run.yaml chose by their digest, and that are not there or are others."""
    message = (
        "the data that this run chose is in no cache here: `dvc pull --all-commits` brings it, or `git log -S` with "
        "its digest finds the commit whose dvc.lock names it; check that commit out and run `dvc repro dvc.yaml`"
    )
    return Problem(file=run_file, subject=data.path, message=message, value=found, allowed=data.digest)
