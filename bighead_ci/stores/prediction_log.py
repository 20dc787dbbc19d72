"""Reads the prediction log that serving processes write as Parquet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from bighead_ci.documents.base import moment_of
from bighead_ci.documents.live import Prediction
from bighead_ci.stores.source_table import literal_file

COLUMNS = tuple(Prediction.model_fields)


class ParquetPredictionLog:
    """Implements `ports.prediction_log.PredictionLog` on `<root>/<environment>/<model>/<variant>/*.parquet`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, prediction_id: str) -> Prediction | None:
        """One prediction; Parquet's statistics let the scan pass over most files."""
        rows = self._query("*/*/*", "where prediction_id = ? limit 1", [prediction_id])
        return _prediction(rows[0]) if rows else None

    def inputs(self, environment: str, model: str, artifact: str, limit: int) -> pa.Table:
        """Estimator inputs of an artifact's latest predictions, a column each."""
        clause = 'where environment = ? and model = ? and artifact = ? order by "at" desc, prediction_id limit ?'
        rows = self._query(f"{environment}/{model}/*", clause, [environment, model, artifact, limit])
        return _table([json.loads(row["inputs"]) for row in rows])

    def _query(self, folders: str, clause: str, parameters: list[Any]) -> list[dict[str, Any]]:
        # Only finished files: a name with a leading dot is still being written.
        files = sorted(literal_file(p) for p in self._root.glob(f"{folders}/*.parquet") if not p.name.startswith("."))
        if not files:
            return []
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            # Processes of several engines wrote these files: an older one's lack columns, each known by its name.
            statement = f"select * from read_parquet(?, hive_partitioning = false, union_by_name = true) {clause}"  # noqa: S608 - constants only
            found = connection.execute(statement, [files, *parameters])
            names = [about[0] for about in found.description or []]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _prediction(row: dict[str, Any]) -> Prediction:
    until = {name: moment_of(at) for name, at in json.loads(row.get("known_until") or "{}").items()}
    read = {"request": json.loads(row["request"]), "inputs": json.loads(row["inputs"]), "known_until": until}
    return Prediction.model_validate({name: row[name] for name in COLUMNS if name in row} | read)


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    """A column each input that any row has; whole numbers beside others are float64, however large they are."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pa.Array:
    if any(isinstance(value, float) for value in values):
        values = [float(value) if isinstance(value, int) else value for value in values]
    return pa.array(values)
