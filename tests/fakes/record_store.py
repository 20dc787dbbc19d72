"""A record store in memory, with the rules of the real one; files are copied below a directory."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from bighead_ci.documents.record import RunRecord
from bighead_ci.errors import InputError
from bighead_ci.scorers.artifact import artifact_digest

OWN_NAMES = {"record.json", "artifact.sha256"}


class MemoryRecordStore:
    """Keeps records in order of saving."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._records: dict[str, RunRecord] = {}
        self._numbering = threading.Lock()
        self._saved = 0
        self.has_pages = False
        """Whether a server shows runs."""
        self.aliases: dict[tuple[str, str], str] = {}
        """(model, alias) → run id, as the registry shows them."""

    def save(self, record: RunRecord, files: Mapping[str, Path]) -> RunRecord:
        _check(files)
        if "artifact" not in files:
            raise InputError(f"the record of {record.id} needs its model artifact")
        found = self.by_content_key(record.content_key)
        if found is not None:
            if not self._is_whole(found) and artifact_digest(files["artifact"]) == found.artifact:
                self._put(found.run_id, "artifact", files["artifact"])
            return found
        if artifact_digest(files["artifact"]) != record.artifact:
            raise InputError(f"the artifact of {record.id} does not have digest {record.artifact}")
        with self._numbering:
            run_id = f"run{self._saved}"
            self._saved += 1
        saved = RunRecord.model_validate_json(record.model_copy(update={"run_id": run_id}).model_dump_json())
        for name, source in files.items():
            self._put(run_id, name, source)
        self._records[run_id] = saved
        return saved

    def attach(self, run_id: str, files: Mapping[str, Path]) -> None:
        _check(files)
        record = self._required(run_id)
        for name, source in files.items():
            if name == "artifact" and artifact_digest(source) != record.artifact:
                raise InputError(f"{source} does not have digest {record.artifact}")
            self._put(run_id, name, source)

    def by_content_key(self, content_key: str) -> RunRecord | None:
        return next((record for record in self._newest_first() if record.content_key == content_key), None)

    def of_version(self, model: str, version: str) -> Iterator[RunRecord]:
        return (record for record in self._newest_first() if record.id == f"{model}/{version}")

    def by_artifact(self, digest: str) -> RunRecord | None:
        return next((record for record in self._newest_first() if record.artifact == digest), None)

    def by_run(self, run_id: str) -> RunRecord | None:
        return self._records.get(run_id)

    def file(self, run_id: str, name: str) -> Path | None:
        path = self._path(run_id, name)
        return path if run_id in self._records and path.exists() else None

    def artifact(self, digest: str) -> Path:
        copies = [record for record in self._newest_first() if record.artifact == digest]
        for record in copies:
            if self._is_whole(record):
                return self._path(record.run_id, "artifact")
        damaged = ", ".join(str(file) for record in copies for file in self._path(record.run_id, "artifact").iterdir())
        raise InputError(f"no whole artifact has digest {digest}; damaged: {damaged or 'none'}")

    def forget(self, run_id: str) -> None:
        """Lose a record, as somebody who deletes runs does."""
        del self._records[run_id]

    def project_alias(self, model: str, alias: str, run_id: str | None) -> None:
        if run_id is None:
            self.aliases.pop((model, alias), None)
            return
        if self._required(run_id).model != model:
            raise InputError(f"run {run_id} is not of model {model}")
        self.aliases[model, alias] = run_id

    def run_url(self, run_id: str) -> str:
        return f"memory://records/{self._required(run_id).run_id}" if self.has_pages else ""

    def run_command(self, run_id: str, directory: str | None = None) -> str:
        return f"show {self._directory if directory is None else directory} {self._required(run_id).run_id}"

    def _newest_first(self) -> list[RunRecord]:
        return sorted(self._records.values(), key=lambda record: record.recorded_at)[::-1]

    def _required(self, run_id: str) -> RunRecord:
        if run_id not in self._records:
            raise InputError(f"no complete record has run id {run_id!r}")
        return self._records[run_id]

    def _is_whole(self, record: RunRecord) -> bool:
        path = self._path(record.run_id, "artifact")
        return path.is_dir() and artifact_digest(path) == record.artifact

    def _path(self, run_id: str, name: str) -> Path:
        _check({name: Path()})
        return self._directory / run_id / name

    def _put(self, run_id: str, name: str, source: Path) -> None:
        path = self._path(run_id, name)
        if path.is_dir():
            shutil.rmtree(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, path)
        else:
            shutil.copyfile(source, path)


def _check(files: Mapping[str, Path]) -> None:
    for name, source in files.items():
        if not name or name != str(PurePosixPath(name)) or name.startswith("/") or ".." in name.split("/"):
            raise InputError(f"{name!r} cannot name a file of a record")
        if name in OWN_NAMES or name.startswith("artifact/"):
            raise InputError(f"{name}: the record store writes this name itself")
        if not source.exists():
            raise InputError(f"{source}: there is no such file or directory")
