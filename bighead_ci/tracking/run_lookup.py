"""Finds runs in MLflow's database by plain SQL.

Importing MLflow takes four to five seconds, and a pull request with nothing to train only looks records up. The
tables read here (runs, tags, the registry's versions and aliases) are the ones that its pages live on; writing always
goes through MLflow itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

MODEL_TAG = "bighead.model"
STATUS_TAG = "bighead.status"
COMPLETE = "complete"
INCOMPLETE = "incomplete"

_TAGGED = """
SELECT r.run_uuid FROM runs r
JOIN tags s ON s.run_uuid = r.run_uuid AND s.key = ? AND s.value = ?
JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = ? AND t.value = ?
WHERE r.lifecycle_stage = 'active'
ORDER BY r.end_time DESC, r.rowid DESC
"""
_UNFINISHED = """
SELECT r.run_uuid, m.value FROM runs r
JOIN tags s ON s.run_uuid = r.run_uuid AND s.key = ? AND s.value = ?
JOIN tags m ON m.run_uuid = r.run_uuid AND m.key = ?
WHERE r.lifecycle_stage = 'active'
"""
_OF_RUN = """
SELECT r.experiment_id FROM runs r
JOIN tags s ON s.run_uuid = r.run_uuid AND s.key = ? AND s.value = ?
WHERE r.lifecycle_stage = 'active' AND r.run_uuid = ?
"""
_VERSIONS = """
SELECT version FROM model_versions
WHERE name = ? AND run_id = ? AND current_stage <> 'Deleted_Internal'
ORDER BY version
"""
_ALIAS = """
SELECT v.run_id FROM registered_model_aliases a
JOIN model_versions v ON v.name = a.name AND v.version = a.version
WHERE a.name = ? AND a.alias = ?
"""


class RunLookup:
    """Reads what is committed now; a database that does not exist yet has no runs.

    Args:
        database: MLflow's.
        busy_seconds: How long SQLite waits for a lock that someone else holds.
        status_tag: Of the runs that are looked for; all others are not there.

    Raises:
        sqlite3.Error: locked longer than `busy_seconds`, damaged, or unreadable.
    """

    def __init__(self, database: Path, busy_seconds: float, status_tag: str = STATUS_TAG) -> None:
        self._database = database
        self._busy_seconds = busy_seconds
        self._status_tag = status_tag

    def complete(self, tag: str, value: str) -> list[str]:
        """Ids of complete runs with that tag, newest first."""
        return [row[0] for row in self._rows(_TAGGED, (self._status_tag, COMPLETE, tag, value))]

    def incomplete(self) -> list[tuple[str, str]]:
        """Runs that were begun and never finished, with the model of each."""
        return [(row[0], row[1]) for row in self._rows(_UNFINISHED, (self._status_tag, INCOMPLETE, MODEL_TAG))]

    def experiment(self, run_id: str) -> str | None:
        """Experiment id of a complete run; None if there is no such run or it is not complete."""
        rows = self._rows(_OF_RUN, (self._status_tag, COMPLETE, run_id))
        return str(rows[0][0]) if rows else None

    def registry_versions(self, model: str, run_id: str) -> list[str]:
        """Versions of the registered model that come from the run."""
        return [str(row[0]) for row in self._rows(_VERSIONS, (model, run_id))]

    def alias(self, model: str, alias: str) -> str | None:
        """Id of the run that the alias of the registered model shows."""
        rows = self._rows(_ALIAS, (model, alias))
        return str(rows[0][0]) if rows else None

    def check_writable(self) -> None:
        """Fail now, in time and in SQLite's own words, where MLflow would retry for long."""
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()

    def _rows(self, sql: str, values: Sequence[str]) -> list[tuple[str, ...]]:
        if not self._database.exists():
            return []
        with closing(self._connect()) as connection:
            return connection.execute(sql, values).fetchall()

    def _connect(self) -> sqlite3.Connection:
        # Not read-only: SQLite must be able to roll back what a killed writer left in its journal.
        address = f"file:{quote(str(self._database))}?mode=rw"
        return sqlite3.connect(address, uri=True, timeout=self._busy_seconds, isolation_level=None)
