"""The application of a variant's process, over ASGI without a network, and what is behind it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from bighead_ci.serving.health import Dependant, Health
from bighead_ci.serving.metrics import ServingMetrics
from bighead_ci.serving.prediction_log import PredictionLogWriter
from bighead_ci.serving.predictor import Predictor
from bighead_ci.serving.service import make_app
from fakes.clock import FixedClock
from fakes.serving import FakeFeatures, FakeScorer, a_config

NOW = datetime(2013, 10, 1, 10, tzinfo=UTC)


class Bench:
    """One variant's application, and what is behind it."""

    def __init__(
        self,
        directory: Path,
        *,
        scorer: Any = None,
        features: Any = None,
        log: PredictionLogWriter | None = None,
        limit: int = 64,
        rows: int = 1000,
        deadline: int = 10_000,
        code: Dependant | None = None,
    ) -> None:
        config = a_config(directory, max_concurrency=limit, max_batch_rows=rows, deadline_ms=deadline)
        self.scorer = scorer or FakeScorer([0.25, 0.75])
        self.features = features or FakeFeatures()
        self.metrics = ServingMetrics(
            config, [column.name for column in self.scorer.manifest.inputs], self.scorer.manifest.target
        )
        predictor = Predictor(
            config,
            scorer=self.scorer,
            features=self.features,
            metrics=self.metrics,
            log=log,
            clock=FixedClock(NOW),
        )
        self.app = make_app(config, predictor, self.metrics, Health(config, self.metrics, code))

    def send(self, *requests: tuple[str, str, bytes]) -> list[httpx.Response]:
        """Send (method, path, body) all at once."""

        async def run() -> list[httpx.Response]:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://variant") as client:
                calls = [client.request(method, path, content=body) for method, path, body in requests]
                return list(await asyncio.gather(*calls))

        return asyncio.run(run())

    def post(self, path: str, body: Any) -> httpx.Response:
        """One JSON document."""
        return self.send(("POST", path, json.dumps(body).encode()))[0]

    def predict(self, body: Any) -> httpx.Response:
        """One prediction."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send(("POST", "/predict", content))[0]
