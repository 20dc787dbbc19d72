"""The prediction log's writer."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bighead_ci.documents.live import Prediction
from bighead_ci.errors import RetryError
from bighead_ci.serving.metrics import ServingMetrics
from bighead_ci.serving.prediction_log import LogRow, PredictionLogWriter
from bighead_ci.stores.objects_directory import DirectoryObjectStore
from bighead_ci.stores.prediction_log import ParquetPredictionLog
from fakes.object_store import MemoryObjectStore
from fakes.serving import BINARY, a_config, counter


def a_row(number: int) -> LogRow:
    request = {"distance": 1.5, "tail": None}
    return LogRow(
        f"{number:032x}", 1_700_000_000_000_000, 1_380_621_600_000_000, {}, request, request, [0.25, 0.75], 0.5
    )


@pytest.fixture
def metrics(tmp_path: Path) -> ServingMetrics:
    return ServingMetrics(a_config(tmp_path), ["distance"], BINARY)


def a_log(root: Path, metrics: ServingMetrics, capacity: int = 100) -> PredictionLogWriter:
    return PredictionLogWriter(DirectoryObjectStore(root / "log"), a_config(root), metrics, capacity)


def test_a_logged_prediction_reads_back_equal(tmp_path: Path, metrics: ServingMetrics) -> None:
    """The reader finds by id what the writer was given, nulls included."""
    log = a_log(tmp_path, metrics)
    for number in range(3):
        log.put(a_row(number))
    log.close()
    config = a_config(tmp_path)
    assert ParquetPredictionLog(tmp_path / "log").find(f"{1:032x}") == Prediction(
        prediction_id=f"{1:032x}",
        at=datetime.fromtimestamp(1_700_000_000, UTC),
        environment=config.environment,
        model=config.model,
        version=config.version,
        variant=config.variant,
        artifact=config.artifact,
        as_of=datetime(2013, 10, 1, 10, tzinfo=UTC),
        request={"distance": 1.5, "tail": None},
        inputs={"distance": 1.5, "tail": None},
        scores=[0.25, 0.75],
        milliseconds=0.5,
    )


def test_a_full_queue_drops_and_counts(tmp_path: Path, metrics: ServingMetrics) -> None:
    """Beyond its capacity rows are dropped, counted, and the rest is written."""
    log = a_log(tmp_path, metrics, capacity=10)
    for number in range(25):
        log.put(a_row(number))
    log.close()
    assert counter(metrics, "bighead_log_drops_total") == 15
    assert counter(metrics, "bighead_log_rows_total") == 10


def test_an_unwritable_directory_loses_no_more_than_its_rows(tmp_path: Path, metrics: ServingMetrics) -> None:
    """Where files cannot be written, `put` and `close` work on, and every row is counted as dropped."""
    (tmp_path / "log").write_text("a file where the directory should be")
    log = a_log(tmp_path, metrics, capacity=10)
    log.start()
    for number in range(30):
        log.put(a_row(number))
    log.close()
    assert counter(metrics, "bighead_log_drops_total") == 30
    assert counter(metrics, "bighead_log_errors_total") > 0


def test_rows_wait_for_a_directory_that_comes_back(tmp_path: Path, metrics: ServingMetrics) -> None:
    """Rows that could not be written are written once they can be."""
    root = tmp_path / "log"
    root.write_text("in the way")
    log = a_log(tmp_path, metrics)
    log.put(a_row(1))
    log._take()
    log._flush()
    root.unlink()
    log.close()
    assert counter(metrics, "bighead_log_rows_total") == 1
    assert counter(metrics, "bighead_log_drops_total") == 0


def test_a_prediction_is_on_disk_soon(tmp_path: Path, metrics: ServingMetrics) -> None:
    """The running writer needs no close to write."""
    log = a_log(tmp_path, metrics)
    log.start()
    log.put(a_row(1))
    deadline = time.monotonic() + 20
    while not list((tmp_path / "log" / log.folder).glob("[!.]*.parquet")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    log.close()
    (file,) = (tmp_path / "log" / log.folder).glob("[!.]*.parquet")
    assert pq.read_table(file).num_rows == 1


class LosesAnswers(MemoryObjectStore):
    """Writes, and does not say so the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = False

    def put(self, name: str, content: bytes | Path) -> None:
        """Write an object."""
        super().put(name, content)
        if not self.lost:
            self.lost = True
            raise RetryError("the connection ended")


def test_a_write_whose_answer_was_lost_leaves_no_row_twice(tmp_path: Path, metrics: ServingMetrics) -> None:
    """It is repeated under its name with its rows; those that came since have another one."""
    store = LosesAnswers()
    log = PredictionLogWriter(store, a_config(tmp_path), metrics)
    log.put(a_row(1))
    log._take()
    log._flush()
    log.put(a_row(2))
    log.close()
    ids = [pq.read_table(BytesIO(content))["prediction_id"].to_pylist() for content in store.objects.values()]
    assert sorted(ids) == [[f"{1:032x}"], [f"{2:032x}"]]
    assert counter(metrics, "bighead_log_rows_total") == 2


def test_a_store_out_of_reach_costs_rows_beyond_the_capacity_alone(tmp_path: Path, metrics: ServingMetrics) -> None:
    """Those within it are written once it is back; the others are counted as dropped."""
    store = MemoryObjectStore()
    store.out_of_reach = True
    log = PredictionLogWriter(store, a_config(tmp_path), metrics, capacity=10)
    for number in range(50):
        log.put(a_row(number))
        if number == 20:
            log._take()
            log._flush()
    store.out_of_reach = False
    log.close()
    assert counter(metrics, "bighead_log_rows_total") == 20
    assert counter(metrics, "bighead_log_drops_total") == 30
