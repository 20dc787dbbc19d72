"""Candidates of a list are ranked in one request, by a model that was trained to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bighead_ci.delivery.stages.compiling import compiled
from bighead_ci.delivery.stages.train import train
from bighead_ci.ports.progress import silent
from bighead_ci.scorers.artifact import open_artifact
from bighead_ci.serving.metrics import ServingMetrics
from bighead_ci.serving.prediction_log import PredictionLogWriter
from bighead_ci.stores.objects_directory import DirectoryObjectStore
from bighead_ci.stores.prediction_log import ParquetPredictionLog
from bighead_ci.transforms.compilers import COMPILERS
from fakes.serving import FakeRows, a_config, counter
from fakes.serving_bench import Bench
from fakes.stage_checkout import CODE, MODEL, ROWS, place_with_rows

RANKING = MODEL.replace("task: binary", "task: ranking\ngroup: hour").replace("primary: auc", "primary: ndcg")
TREES = (
    CODE.replace(
        "sklearn.linear_model import LogisticRegression", "sklearn.ensemble import HistGradientBoostingRegressor"
    )
    .replace('LogisticRegression(C=parameters["strength"])', "HistGradientBoostingRegressor(max_iter=20)")
    .replace('OneHotEncoder(handle_unknown="ignore")', 'OneHotEncoder(handle_unknown="ignore", sparse_output=False)')
)
SHARED = {"hour": 7}
CARRIERS = [{"carrier": name} for name in ("UA", "DL", "AA")]


class OneSet:
    """Features of `delays/v1`, the same of every airline."""

    def __init__(self) -> None:
        self.reads = 0

    def fetch(self, keys: Mapping[str, Mapping[str, Any]], as_of_us: int) -> dict[str, int | float | str | None]:
        assert as_of_us > 0
        self.reads += 1
        return {"delays.delay_mean_1h": 4.5} if keys else {}

    def fetch_many(self, keys: Sequence[Mapping[str, Mapping[str, Any]]], as_of_us: int) -> FakeRows:
        assert as_of_us > 0
        self.reads += 1
        return FakeRows([lambda: {"delays.delay_mean_1h": 4.5} for _ in keys], self.known_until)

    def known_until(self) -> dict[str, int]:
        return {}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a version whose grades follow the airline: AA before UA before DL."""
    carriers = np.random.default_rng(5).choice(["AA", "UA", "DL"], ROWS)
    grades = pa.array((carriers == "AA") * 2 + (carriers == "UA"))
    place = place_with_rows(
        tmp_path_factory.mktemp("ranking"), code=TREES, model=RANKING, carrier=pa.array(carriers), late=grades
    )
    train(place, compiled(COMPILERS), silent)
    return place.out / "artifact"


@pytest.fixture
def bench(artifact: Path, tmp_path: Path) -> Bench:
    return Bench(tmp_path, scorer=open_artifact(artifact), features=OneSet(), rows=10)


def ask(bench: Bench, candidates: Any, shared: Any = SHARED, query: str = "") -> Any:
    answer = bench.post(f"/rank{query}", {"shared": shared, "candidates": candidates})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_candidates_come_back_best_first(bench: Bench) -> None:
    """Each with its place in the request, its score and an id of its own; what is of all is said once."""
    found = ask(bench, CARRIERS)
    assert [(one["rank"], one["index"]) for one in found["ranked"]] == [(1, 2), (2, 0), (3, 1)]
    scores = [one["score"] for one in found["ranked"]]
    assert scores == sorted(scores, reverse=True)
    assert len({one["prediction_id"] for one in found["ranked"]} | {found["list_id"]}) == 4
    assert (found["model"], found["version"], found["features"]) == ("tiny", "v1", 1)
    assert [one["features_found"] for one in found["ranked"]] == [1, 1, 1]
    alone = bench.predict(SHARED | CARRIERS[2]).json()
    assert scores[0] == pytest.approx(alone["score"], rel=1e-12)


def test_one_read_of_the_store_and_a_count_each(bench: Bench) -> None:
    """As rows of a list."""
    ask(bench, CARRIERS)
    assert bench.features.reads == 1
    assert counter(bench.metrics, "bighead_rows_total") == 3
    assert counter(bench.metrics, "bighead_score_count") == 3


def test_equals_keep_their_order_and_nobody_is_ranked_among_none(bench: Bench) -> None:
    """Of three alike the first is first."""
    assert [one["index"] for one in ask(bench, CARRIERS[:1] * 3)["ranked"]] == [0, 1, 2]
    assert ask(bench, [])["ranked"] == []


def test_candidates_are_explained_if_asked(bench: Bench) -> None:
    """Beside the score of each."""
    for one in ask(bench, CARRIERS, query="?explain=true")["ranked"]:
        (part,) = one["explanation"]["attributions"]
        assert (one["explanation"]["of"], part["output"]) == ("score", "score")
        assert part["raw"] == pytest.approx(one["score"])
        assert part["base"] + sum(part["inputs"].values()) == pytest.approx(part["raw"])


def test_the_log_joins_the_candidates_of_a_list(artifact: Path, tmp_path: Path) -> None:
    """By one id, which the answer has; a row by itself has none."""
    config = a_config(tmp_path)
    scorer = open_artifact(artifact)
    metrics = ServingMetrics(config, [], scorer.manifest.target)
    log = PredictionLogWriter(DirectoryObjectStore(tmp_path / "log"), config, metrics)
    bench = Bench(tmp_path, scorer=scorer, features=OneSet(), log=log)
    found = ask(bench, CARRIERS)
    alone = bench.predict(SHARED | CARRIERS[0]).json()
    log.close()
    (file,) = (tmp_path / "log" / log.folder).glob("*.parquet")
    assert sorted(pq.ParquetFile(file).read()["list_id"].to_pylist(), key=str) == [*[found["list_id"]] * 3, None]
    reader = ParquetPredictionLog(tmp_path / "log")
    joined = reader.find(found["ranked"][0]["prediction_id"])
    single = reader.find(alone["prediction_id"])
    assert joined is not None
    assert single is not None
    assert (joined.list_id, single.list_id) == (found["list_id"], None)


BODIES: list[tuple[Any, list[tuple[str, str]]]] = [
    ([], [("", "the body must be a JSON object")]),
    ({"shared": SHARED}, [("candidates", "no list of candidates")]),
    ({"shared": [], "candidates": {}}, [("shared", "no object"), ("candidates", "no list of candidates")]),
    ({"candidates": [3, {}]}, [("candidates[0]", "no object")]),
    (
        {"shared": SHARED, "candidates": [{"carrier": "AA"}, {"carrier": "AA", "hour": 8}]},
        [("candidates[1].hour", "is in shared, too")],
    ),
    (
        {"shared": {"hour": "7"}, "candidates": [*CARRIERS, {"carrier": 1}, {}]},
        [
            ("shared.hour", "wrong value"), ("candidates[3].carrier", "wrong value"),
            ("candidates[4].carrier", "required and not sent"),
        ],
    ),
    ({"shared": SHARED, "candidates": CARRIERS * 4}, [("candidates", "too many rows")]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "problems"), BODIES)
def test_what_does_not_fit_is_named_where_it_stands(bench: Bench, body: Any, problems: list[tuple[str, str]]) -> None:
    """A shared field once, whatever the number of candidates; nothing is scored."""
    answer = bench.post("/rank", body)
    assert answer.status_code == 400
    assert [(one["field"], one["message"]) for one in answer.json()["problems"]] == problems
    assert counter(bench.metrics, "bighead_score_count") == 0


def test_a_model_that_ranks_nothing_says_what_to_ask_instead(tmp_path: Path) -> None:
    """400, whatever the body."""
    answer = Bench(tmp_path).post("/rank", {"candidates": []})
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["message"] == "task binary puts nothing in order: ask for each row"
    assert "/predict/batch" in answer.json()["problems"][0]["allowed"]


def test_the_description_has_the_path_of_models_that_rank(bench: Bench, tmp_path: Path) -> None:
    """With what may be shared, and what an answer has; other models have no such path."""
    page = bench.send(("GET", "/docs.json", b""))[0].json()
    asked = page["paths"]["/rank"]["post"]
    body = asked["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert [*body["shared"]["properties"]] == [*body["candidates"]["items"]["properties"]] == ["carrier", "hour"]
    given = asked["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    assert {*ask(bench, CARRIERS)} == {*given}
    assert {"rank", "index", "score", "prediction_id"} <= {*given["ranked"]["items"]["properties"]}
    assert "Attribution" in page["components"]["schemas"]
    other = Bench(tmp_path / "other").send(("GET", "/docs.json", b""))[0].json()
    assert "/rank" not in other["paths"]
