"""A value that the estimator refuses is its caller's error, in the process that serves what training packaged."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from bighead_ci.delivery.stages.compiling import compiled
from bighead_ci.delivery.stages.train import train
from bighead_ci.delivery.stages.training_set import make_training_set
from bighead_ci.documents.artifact import InputDomain
from bighead_ci.documents.live import ServingProcess
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent
from bighead_ci.scorers.artifact import artifact_digest
from bighead_ci.serving.metrics import ServingMetrics
from bighead_ci.serving.predictor import Predictor, ScoreError
from bighead_ci.transforms.compilers import COMPILERS
from fakes.clock import FixedClock
from fakes.offline_store import MemoryOfflineStore
from fakes.record_samples import MOMENT
from fakes.serving import SET, FakeFeatures, FakeScorer, a_config
from fakes.stage_checkout import CODE, DIRECTORY, MODEL, ROWS, SOURCE, placed, write_checkout

REFUSING = (
    CODE.replace('OneHotEncoder(handle_unknown="ignore")', "OneHotEncoder()")
    .replace(
        'ColumnTransformer([("text", text, ["carrier"])], remainder="passthrough")',
        'ColumnTransformer([("text", text, ["carrier"]), ("place", OrdinalEncoder(), ["place"])], '
        'remainder="passthrough")',
    )
    .replace("import OneHotEncoder", "import OneHotEncoder, OrdinalEncoder")
)
"""Encoders as most people write them: what they have not seen they refuse."""
ALONE = MODEL.split("features:")[0].replace(
    "carrier: {type: string}", "carrier: {type: string}\n  place: {type: string, required: false}"
).replace("hour: {type: int64}", "hour: {type: int64, required: false}") + (
    "parameters: {strength: 1.0}\nevaluation: {primary: auc, bootstrap_samples: 50}\n"
)
"""A model that looks nothing up."""

ROW: dict[str, Any] = {"carrier": "UA", "place": "JFK", "hour": 3}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A process of BentoML that serves the model."""
    directory = tmp_path_factory.mktemp("refused")
    places = pa.array(np.random.default_rng(1).choice(["", "JFK", "LGA"], ROWS))
    checkout = write_checkout(directory / "checkout", REFUSING, ALONE, place=places)
    (checkout / DIRECTORY / "golden_rows.json").write_text(json.dumps([ROW]))
    (checkout / "features/sources/flights.yaml").write_text(SOURCE.replace("hour: int64", "hour: int64, place: string"))
    place = placed(checkout)
    make_training_set(place, MemoryOfflineStore(), silent)
    train(place, compiled(COMPILERS), silent)
    artifact = place.out / "artifact"
    config = a_config(directory, artifact=artifact_digest(artifact), artifact_path=artifact, model="late", version="v1")
    config.write(directory / "config.json")
    command = [sys.executable, "-m", "bighead_ci.entry_points.serving", str(directory / "config.json")]
    with subprocess.Popen(command, cwd=directory) as process:
        try:
            yield _address(process, directory / "process.json")
        finally:
            process.send_signal(signal.SIGTERM)


def _address(process: subprocess.Popen[bytes], said: Path) -> str:
    for _ in range(300):
        assert process.poll() is None, "the process refused to serve"
        if said.exists():
            return f"http://127.0.0.1:{ServingProcess.read(said).port}"
        time.sleep(0.1)
    raise AssertionError("the process did not answer in 30 s")


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("carrier", "ZZ", "'AA', 'DL', 'UA'"),
        ("carrier", "", "'AA', 'DL', 'UA'"),
        ("place", "EWR", "'JFK', 'LGA', or null"),
        ("hour", None, "any value, but not a missing one"),
    ],
)
def test_what_the_estimator_refuses_is_refused(url: str, field: str, value: Any, allowed: str) -> None:
    """400, with the input, its value and what is allowed; also where the graph would have given a score."""
    answer = httpx.post(f"{url}/predict", json=ROW | {field: value}, timeout=30)
    assert answer.status_code == 400
    assert "retry-after" not in answer.headers
    (problem,) = answer.json()["problems"]
    assert (problem["field"], problem["allowed"]) == (field, allowed)
    assert problem["message"] == "the model does not take this value"


def test_all_that_is_refused_is_said_at_once(url: str) -> None:
    """As with values of a wrong type."""
    answer = httpx.post(f"{url}/predict", json={"carrier": "ZZ", "place": "EWR"}, timeout=30)
    assert [one["field"] for one in answer.json()["problems"]] == ["carrier", "place", "hour"]


@pytest.mark.parametrize("change", [{}, {"place": None}, {"place": ""}, {"hour": 99}])
def test_what_the_estimator_takes_is_answered(url: str, change: dict[str, Any]) -> None:
    """A missing text among it where rows had one, and any number."""
    answer = httpx.post(f"{url}/predict", json=ROW | change, timeout=30)
    assert (answer.status_code, answer.json().get("error")) == (200, None)


def predictor(directory: Path, scorer: FakeScorer) -> Predictor:
    config = a_config(directory)
    metrics = ServingMetrics(config, [column.name for column in scorer.manifest.inputs], scorer.manifest.target)
    return Predictor(
        config, scorer=scorer, features=FakeFeatures(), metrics=metrics, log=None, clock=FixedClock(MOMENT)
    )


def test_a_feature_that_the_model_does_not_take_is_not_the_callers(tmp_path: Path) -> None:
    """Nobody sent it: a canary has to answer for it."""
    scorer = FakeScorer([0.25, 0.75])
    name = f"{SET.split('/')[0]}.dep_delay_mean_7d"
    scorer.manifest = scorer.manifest.model_copy(update={"domains": [InputDomain(input=name, null=False)]})
    with pytest.raises(ScoreError, match=rf"feature store has: {name}: None; allowed: any value, but not"):
        predictor(tmp_path, scorer).predict({"carrier": "ZZ", "distance": 1.0})
    assert predictor(tmp_path, scorer).predict({"carrier": "UA", "distance": 1.0})["score"] == 0.75


def test_a_graph_that_cannot_score_is_not_tried_again(tmp_path: Path) -> None:
    """Only a store that does not answer may later: the caller reads no retry-after."""
    scorer = FakeScorer([0.25, 0.75])

    def broken(inputs: Any) -> list[float]:  # noqa: ARG001 - the real one's name
        raise InputError("the graph cannot score these inputs")

    scorer.score_row = broken  # type: ignore[method-assign] # a graph that breaks
    with pytest.raises(ScoreError, match="cannot score"):
        predictor(tmp_path, scorer).predict({"carrier": "UA", "distance": 1.0})
