"""Callers who ask are told what an answer is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bighead_ci.ports.scorer import Explanations
from bighead_ci.serving.explaining import TOGETHER
from fakes.serving import FakeScorer, counter
from fakes.serving_bench import Bench

ROW = {"carrier": "UA", "distance": 2}


class ExplainedScorer(FakeScorer):
    """Each input adds its own value, and the base is 0.5; a missing value adds nothing."""

    def explain(self, columns: Mapping[str, npt.NDArray[Any]]) -> Explanations:
        shares = np.nan_to_num(np.stack(list(columns.values()), axis=1))[:, None, :]
        return Explanations("log_odds", [1], np.array([0.5]), shares, 0.5 + shares.sum(axis=2))

    def explained_cells(self) -> int:
        return 3


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, scorer=ExplainedScorer([0.25, 0.75]))


def test_an_answer_is_explained_if_asked(bench: Bench) -> None:
    """Beside all that it says otherwise, by the names that callers and feature sets have."""
    plain = bench.predict(ROW).json()
    found = bench.post("/predict?explain=true", ROW).json()
    assert found.pop("explanation") == {
        "of": "log_odds",
        "attributions": [
            {
                "output": "1",
                "base": 0.5,
                "raw": 19.0,
                "inputs": {
                    "distance": 2.0, "carrier_delays.dep_delay_count_7d": 12.0, "carrier_delays.dep_delay_mean_7d": 4.5,
                },
            }
        ],
    }  # fmt: skip
    assert {**found, "prediction_id": ""} == {**plain, "prediction_id": ""}
    assert counter(bench.metrics, "bighead_requests_total", status="200") == 2


def test_nobody_is_told_who_did_not_ask(bench: Bench) -> None:
    """No, and nothing said."""
    assert "explanation" not in bench.predict(ROW).json()
    assert "explanation" not in bench.post("/predict?explain=false", ROW).json()


def test_each_row_of_a_list_is_explained(bench: Bench) -> None:
    """In their order, however many there are."""
    rows = [{"distance": number} for number in range(2 * TOGETHER + 3)]
    found = bench.post("/predict/batch?explain=true", {"rows": rows}).json()["rows"]
    shares = [one["explanation"]["attributions"][0]["inputs"]["distance"] for one in found]
    assert shares == list(range(len(rows)))


@pytest.mark.parametrize("said", ["yes", "", "True", "true&explain=1"])
def test_a_wish_that_is_not_understood_is_refused(bench: Bench, said: str) -> None:
    """With what is."""
    answer = bench.post(f"/predict?explain={said}", ROW)
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["allowed"] == "true or false"


@pytest.mark.parametrize(("path", "body"), [("/predict", ROW), ("/predict/batch", {"rows": [ROW]})])
def test_what_has_no_explanations_is_501_and_nothing_is_answered(tmp_path: Path, path: str, body: Any) -> None:
    """One line says what has them."""
    bench = Bench(tmp_path)
    answer = bench.post(f"{path}?explain=true", body)
    assert (answer.status_code, answer.json()) == (
        501, {"error": "an artifact of kind onnx has no explanations; those of kinds trees and linear do"},
    )  # fmt: skip
    assert counter(bench.metrics, "bighead_score_count") == 0


def test_a_score_that_cannot_be_divided_is_no_answer(tmp_path: Path) -> None:
    """An infinite raw score has no shares, and JSON no infinity."""

    class Infinite(ExplainedScorer):
        def explain(self, columns: Mapping[str, npt.NDArray[Any]]) -> Explanations:
            found = super().explain(columns)
            return Explanations(found.meaning, found.outputs, found.base, found.shares, found.raw * np.inf)

    answer = Bench(tmp_path, scorer=Infinite([0.0, 1.0])).post("/predict?explain=true", ROW)
    assert answer.status_code == 500
    assert answer.json()["error"] == "raw scores [inf] cannot be divided among inputs"


def test_the_description_has_the_query_and_the_explanation(bench: Bench) -> None:
    """`/docs.json` is what clients are generated from."""
    page = bench.send(("GET", "/docs.json", b""))[0].json()
    predict = page["paths"]["/predict"]["post"]
    assert [one["name"] for one in predict["parameters"]] == ["explain"]
    assert "501" in predict["responses"]
    assert "attributions" in json.dumps(page["components"])
