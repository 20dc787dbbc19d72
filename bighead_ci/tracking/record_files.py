"""The files of records on disk, one directory a run, laid out as MLflow's own local artifact repository does.

artifacts/<run id>/artifacts/   record.json, artifact/, artifact.sha256, and whatever else was attached
partial/                        what is being written; renamed into place when whole
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from bighead_ci.documents.record import RunRecord
from bighead_ci.errors import InputError, Problem
from bighead_ci.scorers.artifact import artifact_digest

RECORD = "record.json"
ARTIFACT = "artifact"
CHECKSUMS = "artifact.sha256"
"""Digest of each file of the artifact, as `sha256sum -c` reads it, so that a damaged file can be named."""


class RecordFiles:
    """Files by run id and name."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "artifacts"
        self._partial = directory / "partial"

    def of_run(self, run_id: str) -> Path:
        """The run's directory, whether it exists or not."""
        return self.root / run_id / "artifacts"

    def find(self, run_id: str, name: str) -> Path | None:
        """The file or directory of that name."""
        path = self.of_run(run_id) / check_name(name)
        return path if path.exists() else None

    def put(self, run_id: str, name: str, source: Path) -> None:
        """Copy a file or directory in under a name, replacing what is there; half a copy is never seen under it."""
        destination = self.of_run(run_id) / check_name(name)
        beside = self._partial / uuid.uuid4().hex
        self._partial.mkdir(parents=True, exist_ok=True)
        try:
            _copy(source, beside)
            destination.parent.mkdir(parents=True, exist_ok=True)
            if beside.is_dir() or destination.is_dir():
                _remove(destination)
            beside.replace(destination)
        finally:
            _remove(beside)

    def put_artifact(self, run_id: str, source: Path, digest: str) -> None:
        """Copy the model artifact in with its checksums.

        Raises:
            InputError: the copy does not have that digest.
        """
        found = artifact_digest(source)
        if found != digest:
            raise InputError(f"the artifact in {source} has digest {found}, and its record says {digest}")
        self.put(run_id, ARTIFACT, source)
        path = self.of_run(run_id) / ARTIFACT
        lines = [f"{_sha256(file)}  {ARTIFACT}/{name}\n" for name, file in _files(path).items()]
        (self.of_run(run_id) / CHECKSUMS).write_text("".join(lines), encoding="utf-8")

    def put_text(self, run_id: str, name: str, text: str) -> None:
        """Write a text file under a name."""
        path = self.of_run(run_id) / check_name(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def record(self, run_id: str) -> RunRecord:
        """Read `record.json`.

        Raises:
            InputError: it is missing or damaged.
        """
        path = self.of_run(run_id) / RECORD
        try:
            return RunRecord.read(path)
        except (FileNotFoundError, ValueError) as error:
            raise InputError(
                f"{path}, the record of run {run_id}, is missing or damaged; restore it, or delete the run in MLflow "
                "and the same content key is run again"
            ) from error

    def damage(self, run_id: str, digest: str) -> list[Problem]:
        """Which files of the artifact are not what was recorded; empty when it has its digest."""
        path = self.of_run(run_id) / ARTIFACT
        if not path.is_dir():
            return [Problem(file=str(path), message="the artifact's directory is missing")]
        with suppress(InputError):  # what cannot be read is named below
            if artifact_digest(path) == digest:
                return []
        expected, present = self._checksums(run_id), _files(path)
        problems = [
            Problem(file=str(path / name), message="the file is missing", allowed=f"sha256 {expected[name]}")
            for name in expected.keys() - present.keys()
        ]
        for name, file in present.items():
            if name not in expected:
                problems.append(Problem(file=str(file), message="the file does not belong to the artifact"))
            elif (found := _sha256(file)) != expected[name]:
                text = "the file is corrupted"
                problems.append(
                    Problem(file=str(file), message=text, value=f"sha256 {found}", allowed=f"sha256 {expected[name]}")
                )
        return problems or [Problem(file=str(path), message=f"the artifact no longer has its digest {digest}")]

    def delete(self, run_id: str) -> None:
        """Delete all files of a run."""
        _remove(self.root / run_id)

    def clear_partial(self) -> None:
        """Delete what killed writers left half-written."""
        _remove(self._partial)

    def _checksums(self, run_id: str) -> dict[str, str]:
        path = self.of_run(run_id) / CHECKSUMS
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        pairs = (line.split("  ", 1) for line in lines if "  " in line)
        return {name.removeprefix(f"{ARTIFACT}/"): digest for digest, name in pairs}


def check_name(name: str) -> str:
    """The name, if it stays inside the run's directory.

    Raises:
        InputError: it is empty, absolute, or has a part `.` or `..`.
    """
    parts = name.split("/")
    if name != str(PurePosixPath(name)) or not name or name.startswith("/") or {".", ".."} & set(parts):
        raise InputError(f"{name!r} cannot name a file of a record: use a relative path such as report/page.html")
    return name


def check_sources(files: Mapping[str, Path]) -> None:
    """Refuse files that cannot be kept, all at once.

    Raises:
        InputError: a name leaves the directory or is the engine's own, or a source does not exist.
    """
    problems = []
    for name, source in files.items():
        check_name(name)
        if name in {RECORD, CHECKSUMS} or name.startswith(f"{ARTIFACT}/"):
            problems.append(Problem(file=str(source), subject=name, message="the record store writes this name itself"))
        elif not source.exists():
            problems.append(Problem(file=str(source), subject=name, message="there is no such file or directory"))
    if problems:
        raise InputError(problems)


def _files(directory: Path) -> dict[str, Path]:
    return {p.relative_to(directory).as_posix(): p for p in sorted(directory.rglob("*")) if p.is_file()}


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _copy(source: Path, destination: Path) -> None:
    # Content only: stage outputs may be read-only links into a cache.
    if source.is_dir():
        shutil.copytree(source, destination, copy_function=shutil.copyfile)
    else:
        shutil.copyfile(source, destination)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
