"""What callers get of a model that is slow, or of a process that is not ready."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from bighead_ci.documents.live import OTHERWISE, UNREADY, ReplacementWish
from bighead_ci.errors import InputError
from bighead_ci.serving import health
from bighead_ci.serving.health import LOOKS, Health
from bighead_ci.serving.metrics import ServingMetrics
from fakes.serving import FakeScorer, a_config, counter
from fakes.serving_bench import Bench

VARIANT = "tiny-v1-aaaaaaaa"


class SlowCode:
    """A remote scorer that takes its time."""

    place = "models/tiny/v1/model.py:7: predict_proba"

    def __init__(self, seconds: float = 0.0, scores: Sequence[float] = (0.25, 0.75)) -> None:
        self.manifest = FakeScorer([]).manifest
        self.seconds = seconds
        self._scores = list(scores)

    async def detail_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """It declares none."""
        return [{} for _ in rows]

    async def score_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[list[float]]:
        """The same for all, in time or not."""
        await asyncio.sleep(self.seconds)
        return [self._scores] * len(rows)


@pytest.mark.parametrize(("path", "body"), [("/predict", {}), ("/predict/batch", {"rows": [{}, {}]})])
def test_what_is_not_answered_in_time_is_504(tmp_path: Path, path: str, body: Any) -> None:
    """Said with the setting, counted as its own status, and the place is free again."""
    code = SlowCode(60.0)
    bench = Bench(tmp_path, scorer=code, deadline=20, limit=1)
    answer = bench.post(path, body)
    assert answer.status_code == 504
    assert answer.json() == {"error": "there was no answer in 20 ms (serving.deadline_ms)"}
    assert counter(bench.metrics, "bighead_requests_total", status="504") == 1
    code.seconds = 0.0
    assert bench.post(path, body).status_code == 200


def test_a_slow_model_keeps_no_probe_waiting(tmp_path: Path) -> None:
    """They are answered while it scores."""
    bench = Bench(tmp_path, scorer=SlowCode(60.0), deadline=2000)

    async def run() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(bench.app), base_url="http://variant") as client:
            slow = asyncio.ensure_future(client.post("/predict", json={}))
            await asyncio.sleep(0)
            found = [(await client.get(path)).status_code for path in ("/healthz", "/readyz", "/metrics", "/docs.json")]
            assert not slow.done()
            slow.cancel()
            return found

    assert asyncio.run(run()) == [200] * 4


def test_an_answer_of_code_is_as_any_other(tmp_path: Path) -> None:
    """One row and many."""
    bench = Bench(tmp_path, scorer=SlowCode())
    assert bench.predict({"carrier": "UA"}).json()["score"] == 0.75
    assert [one["score"] for one in bench.post("/predict/batch", {"rows": [{}] * 3}).json()["rows"]] == [0.75] * 3
    assert counter(bench.metrics, "bighead_rows_total") == 4


def test_code_that_gives_no_number_is_named(tmp_path: Path) -> None:
    """With its file and line, and what was null."""
    answer = Bench(tmp_path, scorer=SlowCode(scores=[float("nan"), 1.0])).predict({})
    assert answer.status_code == 500
    assert answer.json()["error"].startswith(f"{SlowCode.place} gave [nan, 1.0], of which not all are finite numbers")


class _Broken:
    """Code whose process is being started again."""

    unready = "its code is started again: it ended"
    restarts = 1

    @property
    def pids(self) -> list[int]:
        """It ended."""
        return []

    def look(self) -> None:
        """Nothing new."""


@pytest.fixture
def broken(tmp_path: Path) -> Bench:
    return Bench(tmp_path, scorer=SlowCode(), code=_Broken())


def post(bench: Bench, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(bench.app), base_url="http://variant") as client:
            return await client.post(path, content=json.dumps(body), headers=headers)

    return asyncio.run(run())


@pytest.mark.parametrize("path", ["/readyz", "/v2/health/ready", "/v2/models/tiny/versions/v1/ready"])
def test_a_process_that_is_not_ready_says_why(broken: Bench, path: str) -> None:
    """To whoever asks, and it is alive."""
    answer = broken.send(("GET", path, b""))[0]
    assert answer.status_code == 503
    assert answer.json() == {"error": "not ready: its code is started again: it ended", "ready": False}
    assert broken.send(("GET", "/healthz", b""))[0].status_code == 200


@pytest.mark.parametrize(("path", "body"), [("/predict", {}), ("/predict/batch", {"rows": []})])
def test_it_leaves_requests_to_a_variant_that_stands_behind_it(broken: Bench, path: str, body: Any) -> None:
    """The router asks there when it reads the header."""
    answer = post(broken, path, body, {OTHERWISE: "tiny-v0"})
    assert (answer.status_code, answer.headers[UNREADY]) == (503, "1")
    assert counter(broken.metrics, "bighead_requests_total", status="503") == 1


@pytest.mark.parametrize("headers", [{}, {OTHERWISE: VARIANT}])
def test_it_answers_as_long_as_it_can_where_nobody_else_would(broken: Bench, headers: dict[str, str]) -> None:
    """It may be the stable variant, or the one that stands behind another."""
    assert post(broken, "/predict", {}, headers).status_code == 200


def grown(directory: Path, monkeypatch: pytest.MonkeyPatch, *taken: int) -> tuple[Health, ServingMetrics]:
    """After as many looks at so much memory, with a limit of 100 MiB."""
    config = a_config(directory, memory_bytes=100 << 20)
    scorer = FakeScorer([])
    metrics = ServingMetrics(config, [column.name for column in scorer.manifest.inputs], scorer.manifest.target)
    found = Health(config, metrics)
    for mebibytes in taken:
        monkeypatch.setattr(health, "resident_bytes", lambda _, size=mebibytes: size << 20)
        found.look()
    return found, metrics


def test_a_process_beyond_its_memory_asks_to_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And stays unready, also if it shrinks."""
    found, metrics = grown(tmp_path, monkeypatch, *[120] * LOOKS, 90)
    assert found.unready == "it takes 120 MiB of 100 MiB (serving.memory)"
    assert ReplacementWish.read(tmp_path / "replace.json").reason == found.unready
    assert counter(metrics, "bighead_memory_bytes") == 90 << 20


def test_memory_that_is_taken_for_a_moment_is_no_leak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look alone says nothing."""
    found, _ = grown(tmp_path, monkeypatch, *[120, 90] * LOOKS)
    assert not found.unready
    assert not (tmp_path / "replace.json").exists()


def test_a_limit_below_what_the_process_needs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it serves, with how much it takes: else it would be replaced for ever."""
    found, _ = grown(tmp_path, monkeypatch, 120)
    with pytest.raises(InputError, match=r"models/tiny/v1/model.yaml: serving.memory: 100 MiB is too little.* 120 MiB"):
        found.check_room()
