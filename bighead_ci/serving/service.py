"""The BentoML service of a model, made from its artifact's manifest, with a short path in front for predictions.

BentoML describes the API (`/docs.json`, OpenAPI) and answers probes. `POST /predict` is answered before its middleware,
which would take most of a millisecond a request. Its own pages are not served: they load scripts of other hosts.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import bentoml
from pydantic import BaseModel, create_model

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.explanation import Explanation
from bighead_ci.documents.live import VariantConfig
from bighead_ci.errors import BigheadError
from bighead_ci.ports.scorer import NoExplanationError
from bighead_ci.serving.body import BodyError, Message, Receive, Scope, decode, read
from bighead_ci.serving.describing import with_explanations, with_ranking
from bighead_ci.serving.explaining import EXPLANATION, Explainer, asks_to_explain
from bighead_ci.serving.metrics import ServingMetrics
from bighead_ci.serving.open_inference import OpenInference
from bighead_ci.serving.predictor import Predictor, ScoreError
from bighead_ci.serving.ranking import Candidates
from bighead_ci.serving.request import RequestError
from bighead_ci.serving.rows import ListOfRows, RowsPredictor, RowsProtocol
from bighead_ci.tasks.registry import task_named

logger = logging.getLogger(__name__)

Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON_TYPE = (b"content-type", b"application/json")
RETRY_AFTER = (b"retry-after", b"1")
PREDICT, PREDICT_SLASH, BATCH, RANK = "/predict", "/predict/", "/predict/batch", "/rank"
_READ, _WRITE = ("GET", "HEAD"), ("POST",)
PATHS = {
    **dict.fromkeys((PREDICT, BATCH, RANK), _WRITE),
    **dict.fromkeys(("/", "/docs.json", "/metrics", "/healthz", "/livez", "/readyz"), _READ),
}
"""What every process answers, beside the Open Inference Protocol's paths: path → methods."""


def answer_document(manifest: ArtifactManifest) -> type[BaseModel]:
    """The answer's schema, for OpenAPI."""
    result = task_named(manifest.target.task).answer_fields(manifest.target)
    text = ("prediction_id", "model", "version", "variant", "artifact")
    fields: dict[str, Any] = dict.fromkeys(text, (str, ...))
    fields |= {**result, "as_of": (str, ...), "features": (int, ...), "features_found": (int, ...)}
    fields[EXPLANATION] = (Explanation | None, None)
    document: type[BaseModel] = create_model("Answer", **fields)
    return document


def make_service(predictor: Predictor) -> Any:
    """A BentoML service with one API, `predict`; no code per model."""
    manifest = predictor.manifest
    answer = answer_document(manifest)

    async def predict(_: Any, **fields: Any) -> Any:
        return answer(**predictor.predict(fields))

    predict.__doc__ = f"Score one row with {manifest.model}/{manifest.version}."
    api = bentoml.api(predict, route="/predict", input_spec=predictor.schema.document("Request"), output_spec=answer)
    settings = bentoml.service(
        name=manifest.model,
        logging={"access": {"enabled": False}},
        metrics={"enabled": False},
        tracing={"excluded_urls": ".*"},
    )
    return settings(type(manifest.model, (), {"predict": api, "__doc__": f"{manifest.model}/{manifest.version}"}))


def describe(service: Any, manifest: ArtifactManifest) -> bytes:
    """The OpenAPI page of a service, without BentoML's own words and the pictures of other hosts in them."""
    page = service.openapi_spec.asdict()
    about = f"Scores one row with version {manifest.version} of {manifest.model}."
    page["info"] = {"title": manifest.model, "version": manifest.version, "description": about}
    return json.dumps(with_ranking(with_explanations(page), RANK, manifest)).encode()


class ServingApp:
    """The ASGI application of a variant's process."""

    def __init__(
        self, config: VariantConfig, predictor: Predictor, metrics: ServingMetrics, description: bytes, behind: App
    ) -> None:
        self._predictor = predictor
        self._metrics = metrics
        self._description = description
        self._behind = behind
        self._limit = config.max_concurrency
        self._waiting = 0
        # One a turn of the event loop: uvloop takes one new connection a turn, which may not wait for a whole queue.
        self._scoring = asyncio.Lock()
        self._explainer = Explainer(predictor)
        self._rows = RowsPredictor(predictor, self._explainer, metrics, self._scoring, config.max_batch_rows)
        protocol = OpenInference(predictor.manifest)
        self._protocols: dict[str, RowsProtocol] = {
            BATCH: ListOfRows(),
            RANK: Candidates(predictor.manifest),
            **dict.fromkeys(protocol.infer, protocol),
        }
        self._paths = PATHS | dict.fromkeys(protocol.infer, _WRITE) | dict.fromkeys(protocol.documents, _READ)
        who = {"model": config.model, "version": config.version, "variant": config.variant}
        about = {**who, "artifact": config.artifact, "paths": {p: list(m) for p, m in self._paths.items()}}
        self._documents = {"/": about, **protocol.documents}
        self._headers = [
            JSON_TYPE,
            (b"x-bighead-variant", config.variant.encode()),
            (b"x-bighead-version", config.version.encode()),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a path that is known with a method that it has; BentoML gets its probes and nothing else."""
        if scope["type"] != "http":
            await self._behind(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        if path == PREDICT_SLASH:  # a redirect would have to know by which prefix and host callers come
            path = PREDICT
        allowed = self._paths.get(path)
        if allowed is None:
            paths = ", ".join(self._paths)
            await self._respond(send, 404, {"error": f"no such path; allowed: {paths}"})
        elif method not in allowed:
            error = f"{method} is not allowed on {path}; allowed: {', '.join(allowed)}"
            await self._respond(send, 405, {"error": error}, (b"allow", ", ".join(allowed).encode()))
        elif path == PREDICT:
            await self._predict(scope, receive, send)
        elif path in self._protocols:
            await self._predict_rows(scope, receive, send, self._protocols[path])
        elif path in self._documents:
            await self._respond(send, 200, self._documents[path])
        elif path == "/metrics":
            await _respond(send, 200, [(b"content-type", b"text/plain; version=0.0.4")], self._metrics.page())
        elif path == "/docs.json":
            await _respond(send, 200, [JSON_TYPE], self._description)
        else:
            await self._behind(scope, receive, send)

    async def _predict(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        status, answer = await self._answer(scope, receive)
        await self._respond(send, status, answer, *([RETRY_AFTER] if status in {429, 503} else []))
        self._metrics.answered(status, time.perf_counter() - started)

    async def _predict_rows(self, scope: Scope, receive: Receive, send: Send, protocol: RowsProtocol) -> None:
        started = time.perf_counter()
        status, answer = await self._answer_rows(scope, receive, protocol)
        await self._respond(send, status, answer, *([RETRY_AFTER] if status in {429, 503} else []))
        if status != HTTPStatus.OK:  # rows that were answered are counted one by one
            self._metrics.answered(status, time.perf_counter() - started)

    async def _respond(self, send: Send, status: int, answer: dict[str, Any], *headers: tuple[bytes, bytes]) -> None:
        await _respond(send, status, [*self._headers, *headers], _json(answer))

    async def _answer_rows(self, scope: Scope, receive: Receive, protocol: RowsProtocol) -> tuple[int, dict[str, Any]]:
        if self._waiting >= self._limit:
            return self._too_many()
        self._waiting += 1
        try:
            explain = protocol.explains and asks_to_explain(scope["query_string"])
            body = decode(await read(scope, receive))
            return 200, await self._rows.answer(body, protocol, explain=explain)
        except Exception as error:  # noqa: BLE001 - every kind has its answer
            return refusal(error)
        finally:
            self._waiting -= 1

    def _too_many(self) -> tuple[int, dict[str, Any]]:
        return 429, {"error": f"{self._limit} requests are waiting already (serving.max_concurrency)"}

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, dict[str, Any]]:
        if self._waiting >= self._limit:
            return self._too_many()
        self._waiting += 1
        try:
            explain = asks_to_explain(scope["query_string"])
            body = await read(scope, receive)
            if explain:
                return 200, await self._explained(decode(body))
            async with self._scoring:
                await asyncio.sleep(0)  # lets every request that has arrived be counted before one is scored
                return 200, self._predictor.predict(decode(body))
        except Exception as error:  # noqa: BLE001 - every kind has its answer
            return refusal(error)
        finally:
            self._waiting -= 1

    async def _explained(self, body: Any) -> dict[str, Any]:
        async with self._scoring:
            row = self._predictor.prepare(body)
        (more,) = await self._explainer.of([row])
        async with self._scoring:
            return self._predictor.score(row).answer | more


def refusal(error: Exception) -> tuple[int, dict[str, Any]]:
    """Status and body by which a caller is told why there is no prediction."""
    match error:
        case BodyError():
            return error.status, {"error": str(error), "problems": []}
        case RequestError():
            return 400, error.as_json()
        case NoExplanationError():
            return 501, {"error": str(error)}
        case BigheadError():  # the request was checked: it is the store that cannot answer
            return 503, {"error": str(error)}
        case ScoreError():
            return 500, {"error": str(error)}
    logger.error("prediction failed", exc_info=error)
    return 500, {"error": "the prediction failed; the variant's log says why"}


def make_app(config: VariantConfig, predictor: Predictor, metrics: ServingMetrics) -> ServingApp:
    """The application that answers for a predictor."""
    service = make_service(predictor)
    behind: App = service.to_asgi(is_main=True)
    return ServingApp(config, predictor, metrics, describe(service, predictor.manifest), behind)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


async def _respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
