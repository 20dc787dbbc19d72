"""What is written to MLflow, through its own client on a local database. The caller holds the writers' lock."""

from __future__ import annotations

import logging
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from bighead_ci.documents.base import replacing
from bighead_ci.documents.record import RunRecord
from bighead_ci.tracking.run_description import RunDescription, tags_of
from bighead_ci.tracking.run_lookup import COMPLETE, INCOMPLETE, MODEL_TAG

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


class MlflowWriter:
    """Runs, registered models and aliases. Construct late: it imports MLflow, which takes four to five seconds."""

    def __init__(self, database: Path, artifacts: Path) -> None:
        self._client = _open_client(database)
        self._artifacts = artifacts

    def begin(self, run: RunDescription) -> str:
        """Start a run that nobody sees yet; return its id."""
        finished = _milliseconds(run.recorded_at)
        created = self._client.create_run(
            self._experiment(run.experiment),
            start_time=max(0, finished - timedelta(seconds=run.seconds) // timedelta(milliseconds=1)),
            tags={run.status_tag: INCOMPLETE, **run.tags},
            run_name=run.name,
        )
        return str(created.info.run_id)

    def describe(self, run_id: str, run: RunDescription) -> None:
        """Add parameters and metrics."""
        from mlflow.entities import Metric, Param  # noqa: PLC0415 - MLflow is imported by now

        moment = _milliseconds(run.recorded_at)
        self._client.log_batch(
            run_id,
            metrics=[Metric(key, value, moment, 0) for key, value in run.metrics.items()],
            params=[Param(key, value) for key, value in run.parameters.items()],
        )

    def register(self, run_id: str, record: RunRecord, artifact: Path) -> str:
        """Make the run a version of its registered model; return the version."""
        self._ensure_registered_model(record.model)
        version = self._client.create_model_version(
            record.model,
            source=artifact.as_uri(),
            run_id=run_id,
            tags={key: value for key, value in tags_of(record).items() if key.startswith("bighead.")},
            description=f"{record.id} from commit {record.commit}",
        )
        return str(version.version)

    def complete(self, run_id: str, run: RunDescription) -> None:
        """End the run and, last of all, let it be seen."""
        self._client.set_terminated(run_id, "FINISHED", end_time=_milliseconds(run.recorded_at))
        self._client.set_tag(run_id, run.status_tag, COMPLETE)

    def discard(self, run_id: str, model: str, versions: list[str]) -> None:
        """Delete an incomplete run and the registry versions made for it."""
        for version in versions:
            self._client.delete_model_version(model, version)
        self._client.set_terminated(run_id, "KILLED")
        self._client.delete_run(run_id)

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Point the alias to that registry version."""
        self._client.set_registered_model_alias(model, alias, version)

    def delete_alias(self, model: str, alias: str) -> None:
        """Take the alias away."""
        self._client.delete_registered_model_alias(model, alias)

    def _experiment(self, name: str) -> str:
        """MLflow's word for runs that can be compared: a model's records, or the trials of its versions."""
        found = self._client.get_experiment_by_name(name)
        if found is None:
            return str(self._client.create_experiment(name, artifact_location=self._artifacts.as_uri()))
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _ensure_registered_model(self, model: str) -> None:
        if not self._client.search_registered_models(f"name = '{model}'", max_results=1):
            self._client.create_registered_model(model, tags={MODEL_TAG: model})


def _open_client(database: Path) -> MlflowClient:
    """A quiet client without telemetry. Makes the database if it is missing.

    The tables are made in a database beside it, which is then renamed: a migration that is killed cannot be resumed.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - takes seconds, and looking records up never needs it

    # Its own traceback of a locked database says nothing that our error does not.
    for name, level in (("mlflow", "ERROR"), ("mlflow.store.db.utils", "CRITICAL"), ("alembic", "ERROR")):
        logging.getLogger(name).setLevel(level)
    if not database.exists():
        with replacing(database) as beside:
            MlflowClient(_address(beside), _address(beside)).search_experiments(max_results=1)
    return MlflowClient(_address(database), _address(database))


def _address(database: Path) -> str:
    return f"sqlite:///{quote(str(database))}"


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
