"""Experiments in MLflow: runs beside the records, in a group of their own, which no registered model knows.

As with records, a run is begun as incomplete and turns complete last; the next writer clears what a killed one left.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from bighead_ci.documents.experiment import Experiment
from bighead_ci.errors import InputError
from bighead_ci.tracking.access import StoreAccess
from bighead_ci.tracking.mlflow_writer import MlflowWriter
from bighead_ci.tracking.record_files import RecordFiles, check_sources
from bighead_ci.tracking.run_description import BASE_TAG, CONTENT_KEY_TAG, EXPERIMENT_STATUS_TAG, of_experiment
from bighead_ci.tracking.run_lookup import RunLookup

EXPERIMENT = "experiment.json"


class MlflowExperimentStore:
    """`ExperimentStore` on the directory of a `MlflowRecordStore`.

    Args:
        directory: As of the records.
        lock_seconds: How long a writer waits for another one.
        busy_seconds: How long SQLite waits for a lock that someone else holds on the database.
    """

    def __init__(self, directory: Path, lock_seconds: float = 120.0, busy_seconds: float = 10.0) -> None:
        self._access = StoreAccess(directory.resolve(), lock_seconds)
        self._files = RecordFiles(directory.resolve())
        self._lookup = RunLookup(self._access.database, busy_seconds, EXPERIMENT_STATUS_TAG)

    def save(self, experiment: Experiment, files: Mapping[str, Path]) -> Experiment:
        """Keep an experiment and its files, all or nothing to a reader; return it with its run id."""
        check_sources(files)
        with self._access.writing(self._lookup):
            if known := self._find(BASE_TAG, experiment.base, experiment.content_key):
                return known
            self._clear_interrupted()
            run_id = self._writer.begin(of_experiment(experiment))
            try:
                return self._fill(run_id, experiment, files)
            except Exception:
                with suppress(Exception):  # the next writer clears it away if this one cannot
                    self._discard(run_id, experiment.model)
                raise

    def of_base(self, base: str) -> list[Experiment]:
        """Those of one version on the same files and data, oldest first."""
        with self._access.reading():
            return [self._experiment(run_id) for run_id in reversed(self._lookup.complete(BASE_TAG, base))]

    def by_content_key(self, content_key: str) -> Experiment | None:
        """The newest that ran this, whatever it was an experiment on."""
        with self._access.reading():
            return self._find(CONTENT_KEY_TAG, content_key, content_key)

    def file(self, run_id: str, name: str) -> Path | None:
        """A local path to one file of an experiment, or None."""
        with self._access.reading():
            return self._files.find(run_id, name) if self._lookup.experiment(run_id) is not None else None

    def command(self) -> str:
        """For a shell on this machine: what shows the runs side by side."""
        return f'mlflow ui --backend-store-uri "sqlite:///{quote(str(self._access.database))}"'

    @cached_property
    def _writer(self) -> MlflowWriter:
        return MlflowWriter(self._access.database, self._files.root)

    def _find(self, tag: str, value: str, content_key: str) -> Experiment | None:
        found = map(self._experiment, self._lookup.complete(tag, value))
        return next((one for one in found if one.content_key == content_key), None)

    def _experiment(self, run_id: str) -> Experiment:
        path = self._files.of_run(run_id) / EXPERIMENT
        try:
            return Experiment.read(path)
        except (FileNotFoundError, ValidationError) as error:
            message = f"{path} is missing or damaged: delete run {run_id} in MLflow, and run the experiment again"
            raise InputError(message) from error

    def _fill(self, run_id: str, experiment: Experiment, files: Mapping[str, Path]) -> Experiment:
        saved = Experiment.model_validate_json(experiment.model_copy(update={"run_id": run_id}).model_dump_json())
        for name, source in files.items():
            self._files.put(run_id, name, source)
        self._files.put_text(run_id, EXPERIMENT, saved.model_dump_json(indent=1) + "\n")
        self._writer.describe(run_id, of_experiment(saved))
        self._writer.complete(run_id, of_experiment(saved))
        return saved

    def _clear_interrupted(self) -> None:
        """Under the writers' lock an incomplete run has no living writer."""
        self._files.clear_partial()
        for run_id, model in self._lookup.incomplete():
            self._discard(run_id, model)

    def _discard(self, run_id: str, model: str) -> None:
        self._files.delete(run_id)
        self._writer.discard(run_id, model, [])
