"""What every prediction log does: what a model's process wrote is found by id, and its inputs by artifact."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from bighead_ci.documents.base import digest_of
from bighead_ci.documents.live import Prediction
from bighead_ci.ports.prediction_log import PredictionLog
from bighead_ci.serving.metrics import ServingMetrics
from bighead_ci.serving.prediction_log import LogRow, PredictionLogWriter
from bighead_ci.stores.objects_directory import DirectoryObjectStore
from bighead_ci.stores.prediction_log import ParquetPredictionLog
from fakes.prediction_log import MemoryPredictionLog
from fakes.serving import BINARY, a_config

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OURS, OTHER = digest_of("ours"), digest_of("other")

Bench = tuple[PredictionLog, Callable[[Prediction], None]]


def parquet(directory: Path) -> Bench:
    """The reader, and the writer of the process that answered."""
    root = directory / "predictions"

    def add(one: Prediction) -> None:
        fields = one.model_dump(include={"environment", "model", "version", "variant", "artifact"})
        config = a_config(directory, **fields)
        writer = PredictionLogWriter(DirectoryObjectStore(root), config, ServingMetrics(config, [], BINARY))
        at, as_of = ((moment - EPOCH) // timedelta(microseconds=1) for moment in (one.at, one.as_of))
        until = {name: (moment - EPOCH) // timedelta(microseconds=1) for name, moment in one.known_until.items()}
        writer.put(LogRow(one.prediction_id, at, as_of, until, one.request, one.inputs, one.scores, one.milliseconds))
        writer.close()

    return ParquetPredictionLog(root), add


def memory(directory: Path) -> Bench:
    """The double, which takes predictions itself."""
    assert directory.exists()
    log = MemoryPredictionLog()
    return log, log.add


@pytest.fixture(params=[parquet, memory])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    made: Bench = request.param(tmp_path)
    return made


def prediction(number: int, **changes: Any) -> Prediction:
    fields: dict[str, Any] = {
        "prediction_id": f"p{number}",
        "at": AT + timedelta(microseconds=number),
        "environment": "prod",
        "model": "late",
        "version": "v1",
        "variant": "late-v1-00000000",
        "artifact": OURS,
        "as_of": AT - timedelta(days=1),
        "known_until": {"delays/v1": AT - timedelta(days=1, hours=2, microseconds=1)},
        "request": {"distance": number, "tail": None},
        "inputs": {"distance": float(number), "delays.mean_7d": None, "tail": "N1"},
        "scores": [0.25, 0.75],
        "milliseconds": 1.5,
    }
    return Prediction.model_validate(fields | changes)


def distances(log: PredictionLog, limit: int = 100, **place: str) -> list[float]:
    found = log.inputs(**{"environment": "prod", "model": "late", "artifact": OURS} | place, limit=limit)
    return found["distance"].to_pylist() if found.num_rows else []


def test_a_prediction_is_found_by_its_id(bench: Bench) -> None:
    """As it was logged: times to the microsecond, nulls, and figures to the last bit."""
    log, add = bench
    for number in (1, 2, 3):
        add(prediction(number, scores=[1 - 0.1 * number, 0.1 * number]))
    assert log.find("p2") == prediction(2, scores=[1 - 0.1 * 2, 0.1 * 2])
    assert log.find("p4") is None


@pytest.mark.parametrize("asked", ["", "p", "P1", "p1 ", "%", "p1' or '1'='1", "*"])
def test_an_id_is_taken_to_the_letter(bench: Bench, asked: str) -> None:
    """A part of it, another spelling or a pattern finds nothing."""
    log, add = bench
    add(prediction(1))
    assert log.find(asked) is None


def test_an_empty_log_finds_nothing(bench: Bench) -> None:
    """Before anything was logged there is no prediction and no input."""
    log, _ = bench
    assert log.find("p1") is None
    assert log.inputs("prod", "late", OURS, 10).num_rows == 0


def test_inputs_are_of_one_artifact_of_one_model_in_one_environment(bench: Bench) -> None:
    """Whatever process of it answered."""
    log, add = bench
    add(prediction(1))
    add(prediction(2, variant="late-v1-00000000-2"))
    for number, strange in enumerate(({"environment": "staging"}, {"model": "later"}, {"artifact": OTHER}), 3):
        add(prediction(number, **strange))
    assert sorted(distances(log)) == [1.0, 2.0]
    assert distances(log, environment="staging") == [3.0]
    assert distances(log, model="later") == [4.0]
    assert distances(log, artifact=OTHER) == [5.0]
    assert distances(log, environment="nowhere") == []


def test_inputs_are_the_latest_first(bench: Bench) -> None:
    """By the time of the answer, whenever it was written; of one time by id, so that every call gives the same."""
    log, add = bench
    for number in (2, 9, 4, 7):
        add(prediction(number))
    add(prediction(1, at=AT + timedelta(microseconds=7)))
    assert distances(log) == [9.0, 1.0, 7.0, 4.0, 2.0]
    assert distances(log, limit=3) == [9.0, 1.0, 7.0]


def test_inputs_are_columns_with_their_nulls(bench: Bench) -> None:
    """One column an input, named as the artifact names it; whole numbers among others are numbers."""
    log, add = bench
    add(prediction(1, inputs={"distance": 1, "delays.mean_7d": None, "tail": "N1"}))
    add(prediction(2, inputs={"distance": 2.5, "delays.mean_7d": 0.5, "tail": None}))
    found = log.inputs("prod", "late", OURS, 10)
    assert found.to_pydict() == {"distance": [2.5, 1.0], "delays.mean_7d": [0.5, None], "tail": [None, "N1"]}


@pytest.mark.parametrize("folder", ["model=other/version=v9", "late*[1]?{x}"])
def test_a_prediction_is_what_its_file_says_wherever_that_lies(tmp_path: Path, folder: str) -> None:
    """No folder's name replaces the model or version, and none is a pattern."""
    log, add = parquet(tmp_path / folder)
    add(prediction(1))
    assert log.find("p1") == prediction(1)
    assert log.inputs("prod", "late", OURS, 10).num_rows == 1


def test_a_prediction_that_an_older_engine_logged_is_read(tmp_path: Path) -> None:
    """A file without the moments of feature sets, beside one that has them, and alone."""
    log, add = parquet(tmp_path)
    add(prediction(1))
    (file,) = (tmp_path / "predictions").rglob("*.parquet")
    older = pq.ParquetFile(file).read().drop_columns(["known_until"])
    add(prediction(2))
    pq.write_table(older, file)
    assert [log.find(f"p{number}") for number in (1, 2)] == [prediction(1, known_until={}), prediction(2)]
    for other in set((tmp_path / "predictions").rglob("*.parquet")) - {file}:
        other.unlink()
    assert log.find("p1") == prediction(1, known_until={})


def test_inputs_beyond_2_53_are_read(bench: Bench) -> None:
    """Whole numbers alone are exact, beside fractions the nearest float64; an input of some rows only is there."""
    log, add = bench
    large = 2**53 + 1
    add(prediction(1, inputs={"id": large, "x": large}))
    add(prediction(2, inputs={"id": -large, "x": 0.5, "later": "a"}))
    rows = sorted(log.inputs("prod", "late", OURS, 10).to_pylist(), key=lambda row: -row["id"])
    assert rows == [{"id": large, "x": 2.0**53, "later": None}, {"id": -large, "x": 0.5, "later": "a"}]
