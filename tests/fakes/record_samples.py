"""Records and artifacts that tests save."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bighead_ci.documents.base import digest_of
from bighead_ci.documents.chart import Matrix
from bighead_ci.documents.definition import RequestField, Serving
from bighead_ci.documents.experiment import Experiment
from bighead_ci.documents.histogram import UNIT_BOUNDS, Histogram
from bighead_ci.documents.image import ImageRef
from bighead_ci.documents.inputs import VersionInputs
from bighead_ci.documents.record import (
    ColumnProfile,
    EvaluationResult,
    ExpectationResult,
    Metric,
    MetricDifference,
    QualityResult,
    RunRecord,
    Slice,
    Timings,
    TrainingSetSummary,
)
from bighead_ci.documents.target import Target
from bighead_ci.scorers.artifact import artifact_digest

MOMENT = datetime(2013, 10, 1, 10, tzinfo=UTC)


def make_artifact(directory: Path, content: str = "parameters") -> Path:
    """A directory that looks like a model artifact."""
    directory.mkdir(parents=True)
    (directory / "artifact.json").write_text('{"format": 1}\n')
    (directory / "model.onnx").write_text(content)
    (directory / "golden.json").write_text('{"rows": []}\n')
    return directory


def image(target: str) -> ImageRef:
    """An image as a builder answers."""
    return ImageRef(key=digest_of(f"key for {target}"), reference=f"local/flight_delay@{digest_of(target)}")


def make_record(artifact: Path, key: str = "key", minutes: int = 0, **changes: Any) -> RunRecord:
    """A record of `flight_delay/v1` with that artifact; `key` stands for what was run, `minutes` orders records."""
    auc = Metric(value=0.71, low=0.69, high=0.73)
    expectation = ExpectationResult(
        suite="models/flight_delay/v1",
        type="expect_column_values_to_not_be_null",
        column="carrier",
        success=True,
        observed="0 of 100 null",
        expected="not null",
    )
    record = RunRecord(
        run_id="",
        model="flight_delay",
        version="v1",
        content_key=digest_of(key),
        inputs=VersionInputs(model="flight_delay", version="v1", stages={}, images={}),
        task="binary",
        commit="a" * 40,
        recorded_at=MOMENT + timedelta(minutes=minutes),
        artifact=artifact_digest(artifact),
        artifact_bytes=sum(file.stat().st_size for file in artifact.iterdir()),
        parameters={"depth": 3, "name": "boosted", "nested": {"rates": [0.1, 0.2]}},
        request={"carrier": RequestField(type="string", required=True)},
        features=[],
        serving=Serving(),
        packages={"training": {"numpy": "2.4.6"}, "serving": {"numpy": "2.4.6"}},
        data={"features/sources/flights.parquet": "0" * 32},
        training_set=TrainingSetSummary(
            rows=100,
            train_rows=80,
            evaluate_rows=20,
            outside_split=0,
            unlabelled=0,
            immature=0,
            columns=["carrier"],
            beyond={"carrier_delays.dep_delay_sum_6h": 3},
        ),
        training_set_digest=digest_of("training set"),
        quality=QualityResult(results=[expectation]),
        evaluation=EvaluationResult(
            primary="auc",
            metrics={"auc": auc},
            slices=[Slice(column="carrier", value="9E / (x)", rows=10, metrics={"auc": auc})],
            rows=20,
            target=Target(task="binary", outputs=["0", "1"]),
            charts=[Matrix(name="confusion", names=["0", "1"], counts=[[10, 2], [3, 5]])],
            score_histogram=Histogram(bounds=UNIT_BOUNDS, counts=[*[1] * 20, 0]),
            conversion_error=1e-7,
            importance={"carrier": 0.25, "carrier_delays.dep_delay_sum_6h": 0.75},
        ),
        profile=[ColumnProfile(column="carrier", type="string", rows=100, nulls=0, top={"UA": 60})],
        images={"train": image("train"), "serve": image("serve")},
        timings=Timings(seconds={"train": 1.5}, reused=[]),
    )
    return RunRecord.model_validate({**record.model_dump(), **changes})


def make_experiment(key: str = "key", base: str = "base", minutes: int = 0, **changes: Any) -> Experiment:
    """An experiment on `flight_delay/v1`; `key` stands for what was run, `minutes` orders experiments."""
    auc = Metric(value=0.71, low=0.69, high=0.73)
    difference = {"metric": "auc", "against": "as written", "model_version": "v1", "ours": 0.71, "theirs": 0.7}
    experiment = Experiment(
        model="flight_delay",
        version="v1",
        run_id="",
        base=digest_of(base),
        content_key=digest_of(key),
        overrides={"trees": 200},
        parameters={"trees": 200, "rate": 0.1},
        commit="a" * 40,
        dirty=False,
        training_set=digest_of("training set"),
        evaluation=EvaluationResult(
            primary="auc",
            metrics={"accuracy": auc, "auc": auc},
            slices=[],
            rows=20,
            target=Target(task="binary", outputs=["0", "1"]),
            score_histogram=Histogram(bounds=UNIT_BOUNDS, counts=[*[1] * 20, 0]),
            conversion_error=1e-7,
        ),
        differences=[MetricDifference(**difference, difference=0.01, low=-0.01, high=0.03, rows=20)],
        timings=Timings(seconds={"train": 1.5}, reused=["training-set"]),
        recorded_at=MOMENT + timedelta(minutes=minutes),
    )
    return Experiment.model_validate({**experiment.model_dump(), **changes})
