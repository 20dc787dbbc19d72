"""The prediction log's writer: a bounded queue and one thread. Logging never slows or breaks an answer.

Objects are `<environment>/<model>/<variant>/<microseconds>-<writer>-<number>.parquet`, in a directory or a bucket, at
most about a second after the answer. Small ones are not merged: readers take many. What was tried once is tried again
under the same name with the same rows, so that a write whose answer was lost leaves no row twice.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from bighead_ci.documents.live import VariantConfig
from bighead_ci.errors import BigheadError
from bighead_ci.ports.object_store import ObjectStore
from bighead_ci.serving.metrics import ServingMetrics

logger = logging.getLogger(__name__)

CAPACITY = 20_000
"""Predictions waiting to be written; beyond it they are dropped and counted."""
FLUSH_SECONDS = 0.8
FLUSH_ROWS = 5_000

SCHEMA = pa.schema(
    [
        ("prediction_id", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("environment", pa.string()),
        ("model", pa.string()),
        ("version", pa.string()),
        ("variant", pa.string()),
        ("artifact", pa.string()),
        ("as_of", pa.timestamp("us", tz="UTC")),
        ("known_until", pa.string()),  # JSON object: set → microseconds
        ("request", pa.string()),  # JSON object
        ("inputs", pa.string()),  # JSON object
        ("scores", pa.list_(pa.float64())),
        ("milliseconds", pa.float64()),
        ("list_id", pa.string()),
    ]
)


class LogRow(NamedTuple):
    """One prediction; times in microseconds."""

    prediction_id: str
    at_us: int
    """By the machine's clock."""
    as_of_us: int
    """The instant features were looked up for."""
    known_until: dict[str, int]
    """By set, of the features."""
    request: dict[str, Any]
    inputs: dict[str, Any]
    scores: list[float]
    milliseconds: float
    list_id: str | None = None
    """Of the list that the row was put in order with."""


@dataclass(frozen=True)
class _Batch:
    """Rows on their way: the first that wait."""

    name: str
    content: bytes
    rows: int


class PredictionLogWriter:
    """Takes rows from the serving thread and writes them from its own.

    A store that does not answer costs memory for twice `capacity` rows; later ones are dropped.
    """

    def __init__(
        self, store: ObjectStore, config: VariantConfig, metrics: ServingMetrics, capacity: int = CAPACITY
    ) -> None:
        self.folder = f"{config.environment}/{config.model}/{config.variant}"
        self._store = store
        self._writer = uuid4().hex[:12]
        self._batch: _Batch | None = None
        self._config = config
        self._metrics = metrics
        self._capacity = capacity
        self._queue: queue.Queue[LogRow] = queue.Queue(capacity)
        self._pending: list[LogRow] = []
        self._files = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self) -> None:
        """Start the writer thread."""
        self._thread.start()

    def put(self, row: LogRow) -> None:
        """Hand over a row without waiting; a full queue drops it and counts that."""
        try:
            self._queue.put_nowait(row)
        except queue.Full:
            self._metrics.log_drops.inc()

    def close(self) -> None:
        """Write what waits and stop; what cannot be written is counted as dropped."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        self._take()
        self._flush()
        while not self._pending and not self._queue.empty():
            self._take()
            self._flush()
        self._metrics.log_drops.inc(len(self._pending) + self._queue.qsize())

    def _run(self) -> None:
        while not self._closing.wait(FLUSH_SECONDS):
            self._take()
            self._flush()

    def _take(self) -> None:
        """Move rows from the queue; rows that could not be written keep their place, so that memory stays bounded."""
        while len(self._pending) < self._capacity:
            try:
                self._pending.append(self._queue.get_nowait())
            except queue.Empty:
                return

    def _flush(self) -> None:
        while self._pending:
            try:
                self._batch = self._batch or self._next_batch()
                self._store.put(self._batch.name, self._batch.content)
            except (BigheadError, pa.ArrowException) as error:
                self._metrics.log_errors.inc()
                logger.warning("prediction log: %d rows wait: %s", len(self._pending), error)
                return
            self._metrics.log_rows.inc(self._batch.rows)
            del self._pending[: self._batch.rows]
            self._batch = None

    def _next_batch(self) -> _Batch:
        rows = self._pending[:FLUSH_ROWS]
        self._files += 1
        file = pa.BufferOutputStream()
        pq.write_table(self._table(rows), file, compression="zstd")
        name = f"{self.folder}/{time.time_ns() // 1000}-{self._writer}-{self._files}.parquet"
        return _Batch(name, file.getvalue().to_pybytes(), len(rows))

    def _table(self, rows: list[LogRow]) -> pa.Table:
        config, count = self._config, len(rows)
        columns: dict[str, list[Any]] = {
            "prediction_id": [row.prediction_id for row in rows],
            "at": [row.at_us for row in rows],
            "environment": [config.environment] * count,
            "model": [config.model] * count,
            "version": [config.version] * count,
            "variant": [config.variant] * count,
            "artifact": [config.artifact] * count,
            "as_of": [row.as_of_us for row in rows],
            "known_until": [json.dumps(row.known_until) for row in rows],
            "request": [json.dumps(row.request) for row in rows],
            "inputs": [json.dumps(row.inputs) for row in rows],
            "scores": [row.scores for row in rows],
            "milliseconds": [row.milliseconds for row in rows],
            "list_id": [row.list_id for row in rows],
        }
        return pa.table(columns, schema=SCHEMA)
