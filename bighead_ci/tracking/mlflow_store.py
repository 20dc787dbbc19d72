"""Records in MLflow: SQLite and local files under one directory, which MLflow's own pages show as they are.

    mlflow ui --backend-store-uri sqlite:///<directory>/mlflow.db

A run is begun with tag `bighead.status` = `incomplete`; its files, figures and registry version follow, and the tag
turns `complete` last. Nothing here sees a run before that, and the next writer clears away what a killed one left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from bighead_ci.documents.base import canonical_json
from bighead_ci.documents.record import RunRecord
from bighead_ci.errors import BigheadError, InputError, Problem
from bighead_ci.tracking.access import StoreAccess
from bighead_ci.tracking.mlflow_writer import MlflowWriter
from bighead_ci.tracking.record_files import ARTIFACT, RECORD, RecordFiles, check_sources
from bighead_ci.tracking.run_description import ARTIFACT_TAG, CONTENT_KEY_TAG, FIGURES, ID_TAG, figures_of, of_record
from bighead_ci.tracking.run_lookup import RunLookup

LOCAL_UI = "http://127.0.0.1:5000"
"""Where `mlflow ui` listens unless it is told otherwise."""


class MlflowRecordStore:
    """`RecordStore` on a directory. Looking up costs milliseconds; only the first write imports MLflow.

    Args:
        directory: holds `mlflow.db` and `artifacts/`; made at the first save.
        ui: address of a server that shows it, if there is one.
        lock_seconds: how long a writer waits for another one.
        busy_seconds: how long SQLite waits for a lock that someone else holds on the database.
    """

    def __init__(
        self,
        directory: Path,
        ui: str = "",
        lock_seconds: float = 120.0,
        busy_seconds: float = 10.0,
    ) -> None:
        self._access = StoreAccess(directory.resolve(), lock_seconds)
        self._database = self._access.database
        self._ui = ui.rstrip("/")
        self._files = RecordFiles(directory.resolve())
        self._lookup = RunLookup(self._database, busy_seconds)

    def save(self, record: RunRecord, files: Mapping[str, Path]) -> RunRecord:
        """Keep a record and its files, all or nothing to a reader; return it with its run id.

        A content key that has a complete record keeps it, and that is returned; an artifact of it that was damaged
        since is put right from `files`.
        """
        check_sources(files)
        if ARTIFACT not in files:
            raise InputError(f"the record of {record.id} needs its model artifact: files has no {ARTIFACT!r}")
        with self._access.writing(self._lookup):
            known = self._lookup.complete(CONTENT_KEY_TAG, record.content_key)
            if known:
                return self._kept(known[0], files[ARTIFACT])
            self._clear_interrupted()
            run_id = self._writer.begin(of_record(record))
            try:
                return self._fill(run_id, record, files)
            except Exception:
                with suppress(Exception):  # the next writer clears it away if this one cannot
                    self._discard(run_id, record.model)
                raise

    def attach(self, run_id: str, files: Mapping[str, Path]) -> None:
        """Add files to a complete record, replacing those of the same name; an artifact must have the same digest."""
        check_sources(files)
        record = self._required(run_id)
        with self._access.locked():
            for name, source in files.items():
                if name == ARTIFACT:
                    self._files.put_artifact(run_id, source, record.artifact)
                else:
                    self._files.put(run_id, name, source)

    def by_content_key(self, content_key: str) -> RunRecord | None:
        """The complete record of that key."""
        return self._newest(CONTENT_KEY_TAG, content_key)

    def of_version(self, model: str, version: str) -> Iterator[RunRecord]:
        """The complete records of that version, newest first; each is read when it is asked for."""
        with self._access.reading():
            found = self._lookup.complete(ID_TAG, f"{model}/{version}")
        for run_id in found:
            with self._access.reading():
                record = self._files.record(run_id)
            if record is not None:
                yield record

    def by_artifact(self, digest: str) -> RunRecord | None:
        """The record whose artifact has that digest, newest if several."""
        return self._newest(ARTIFACT_TAG, digest)

    def by_run(self, run_id: str) -> RunRecord | None:
        """The complete record of that run."""
        with self._access.reading():
            return self._files.record(run_id) if self._lookup.experiment(run_id) is not None else None

    def file(self, run_id: str, name: str) -> Path | None:
        """A local path to one file or directory of a complete record, or None."""
        with self._access.reading():
            return self._files.find(run_id, name) if self._lookup.experiment(run_id) is not None else None

    def artifact(self, digest: str) -> Path:
        """A local directory with the artifact, every byte of it checked just now.

        Raises:
            InputError: no record has it, or each copy is damaged; names the files.
        """
        with self._access.reading():
            problems: list[Problem] = []
            for run_id in self._lookup.complete(ARTIFACT_TAG, digest):
                damage = self._files.damage(run_id, digest)
                if not damage:
                    return self._files.of_run(run_id) / ARTIFACT
                problems += damage
        raise InputError(problems or f"no record has an artifact with digest {digest}")

    def project_alias(self, model: str, alias: str, run_id: str | None) -> None:
        """Show in the registry that this record is what the alias serves; None takes the alias away."""
        record = None if run_id is None else self._required(run_id)
        if record is not None and record.model != model:
            raise InputError(f"run {run_id} is a record of model {record.model}, so it cannot be an alias of {model}")
        with self._access.reading():
            if self._lookup.alias(model, alias) == run_id:
                return
        with self._access.writing(self._lookup):
            if record is None:
                self._writer.delete_alias(model, alias)
                return
            versions = self._lookup.registry_versions(model, record.run_id)
            path = self._files.of_run(record.run_id) / ARTIFACT
            version = versions[-1] if versions else self._writer.register(record.run_id, record, path)
            self._writer.set_alias(model, alias, version)

    def run_url(self, run_id: str) -> str:
        """The run's page in MLflow; empty where no server shows it."""
        page = self._page(run_id)
        return f"{self._ui}/{page}" if self._ui else ""

    def run_command(self, run_id: str, directory: str | None = None) -> str:
        """The command that serves MLflow's pages on this directory, with the page of the run on it as a comment."""
        place = quote(str(self._database.parent)) if directory is None else directory
        address = f'"sqlite:///{place}/{self._database.name}"'
        return f"mlflow ui --backend-store-uri {address}  # then open {LOCAL_UI}/{self._page(run_id)}"

    def _page(self, run_id: str) -> str:
        with self._access.reading():
            experiment = self._lookup.experiment(run_id)
        if experiment is None:
            raise _no_such_run(run_id)
        return f"#/experiments/{experiment}/runs/{run_id}"

    @cached_property
    def _writer(self) -> MlflowWriter:
        return MlflowWriter(self._database, self._files.root)

    def _newest(self, tag: str, value: str) -> RunRecord | None:
        with self._access.reading():
            found = self._lookup.complete(tag, value)
            return self._files.record(found[0]) if found else None

    def _required(self, run_id: str) -> RunRecord:
        record = self.by_run(run_id)
        if record is None:
            raise _no_such_run(run_id)
        return record

    def _fill(self, run_id: str, record: RunRecord, files: Mapping[str, Path]) -> RunRecord:
        saved = _as_stored(record.model_copy(update={"run_id": run_id}))
        for name, source in files.items():
            if name != ARTIFACT:
                self._files.put(run_id, name, source)
        self._files.put_artifact(run_id, files[ARTIFACT], record.artifact)
        self._files.put_text(run_id, FIGURES, canonical_json(figures_of(saved)))
        self._files.put_text(run_id, RECORD, saved.model_dump_json(indent=1) + "\n")
        self._writer.describe(run_id, of_record(saved))
        self._writer.register(run_id, saved, self._files.of_run(run_id) / ARTIFACT)
        self._writer.complete(run_id, of_record(saved))
        return saved

    def _kept(self, run_id: str, artifact: Path) -> RunRecord:
        record = self._files.record(run_id)
        if self._files.damage(run_id, record.artifact):
            with suppress(InputError):  # another artifact than the recorded one repairs nothing
                self._files.put_artifact(run_id, artifact, record.artifact)
        return record

    def _clear_interrupted(self) -> None:
        """Under the writers' lock an incomplete run has no living writer."""
        self._files.clear_partial()
        for run_id, model in self._lookup.incomplete():
            self._discard(run_id, model)

    def _discard(self, run_id: str, model: str) -> None:
        self._files.delete(run_id)
        self._writer.discard(run_id, model, self._lookup.registry_versions(model, run_id))


def _as_stored(record: RunRecord) -> RunRecord:
    """The record as it will be read back.

    Raises:
        InputError: a figure is not finite, or a parameter is no JSON.
    """
    try:
        return RunRecord.model_validate_json(record.model_dump_json())
    except ValidationError as error:
        raise InputError(
            Problem(file=record.id, subject=".".join(map(str, item["loc"])), message=f"cannot be kept: {item['msg']}")
            for item in error.errors()
        ) from error


def _no_such_run(run_id: str) -> BigheadError:
    return InputError(f"no complete record has run id {run_id!r}")
