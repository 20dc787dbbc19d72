"""Where records and experiments are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from bighead_ci.documents.experiment import Experiment
from bighead_ci.documents.record import RunRecord


class RecordStore(Protocol):
    """Keeps one record and its files a run.

    Raises:
        RetryError: from every call: the store is busy or out of reach.
    """

    def save(self, record: RunRecord, files: Mapping[str, Path]) -> RunRecord:
        """Keep a record with its files and directories by name, and return it with its run id.

        `artifact` is the model artifact's directory; others: `predictions.parquet`, `training_sample.parquet`,
        `drift/…`, `report/…`. Saving a content key that already has a complete record returns that record.

        Raises:
            InputError: a file is not there, has a name that no record may have, or the artifact has another digest.
        """

    def attach(self, run_id: str, files: Mapping[str, Path]) -> None:
        """Add files to a record, replacing those of the same name.

        Raises:
            InputError: no such record; or as for `save`.
        """

    def by_content_key(self, content_key: str) -> RunRecord | None:
        """The complete record of that key."""

    def of_version(self, model: str, version: str) -> Iterator[RunRecord]:
        """The complete records of a model version, newest first; each is read when it is asked for."""

    def by_artifact(self, digest: str) -> RunRecord | None:
        """The record whose artifact has that digest, newest if several."""

    def by_run(self, run_id: str) -> RunRecord | None:
        """The record of that run."""

    def file(self, run_id: str, name: str) -> Path | None:
        """A local path to one file or directory of the record, or None."""

    def artifact(self, digest: str) -> Path:
        """A local directory with the artifact, whose digest was verified just now.

        Raises:
            InputError: no record has it, or it no longer has its digest; says which files are damaged.
        """

    def project_alias(self, model: str, alias: str, run_id: str | None) -> None:
        """Show in the registry that this record is what the alias (an environment) serves; None takes it away.

        Raises:
            InputError: no such record, or it is of another model.
        """

    def run_url(self, run_id: str) -> str:
        """The run's page; empty where no server shows it.

        Raises:
            InputError: no such record.
        """

    def run_command(self, run_id: str, directory: str | None = None) -> str:
        """For a shell on this machine: what shows the run, and where to look then.

        `directory`: what to write for the directory of the records; by default its path.

        Raises:
            InputError: no such record.
        """


class ExperimentStore(Protocol):
    """Keeps runs with other parameters than their version says; no record store finds one of them.

    Raises:
        RetryError: from every call: the store is busy or out of reach.
        InputError: from every call: an experiment is damaged; says how to be rid of it.
    """

    def save(self, experiment: Experiment, files: Mapping[str, Path]) -> Experiment:
        """Keep an experiment with its files by name, and return it with its run id.

        What has the same base and content key already is returned instead.
        """

    def of_base(self, base: str) -> list[Experiment]:
        """Those of one version on the same files and data, oldest first, the run as written among them."""

    def by_content_key(self, content_key: str) -> Experiment | None:
        """The newest that ran this, whatever it was an experiment on."""

    def file(self, run_id: str, name: str) -> Path | None:
        """A local path to one file of an experiment, or None."""

    def command(self) -> str:
        """For a shell on this machine: what shows the runs side by side."""
