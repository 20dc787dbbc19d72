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
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import bentoml
from pydantic import BaseModel, create_model

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.explanation import Explanation
from bighead_ci.documents.live import OTHERWISE, UNREADY, VariantConfig
from bighead_ci.errors import BigheadError
from bighead_ci.ports.scorer import NoExplanationError
from bighead_ci.serving.body import BodyError, Message, Receive, Scope, decode, read
from bighead_ci.serving.describing import describe, details_document
from bighead_ci.serving.explaining import EXPLANATION, Explainer, asks_to_explain
from bighead_ci.serving.frames import DETAILS
from bighead_ci.serving.health import Health
from bighead_ci.serving.metrics import ServingMetrics
from bighead_ci.serving.open_inference import OpenInference
from bighead_ci.serving.predictor import Predictor, ScoreError
from bighead_ci.serving.ranking import RANK, Candidates
from bighead_ci.serving.request import RequestError
from bighead_ci.serving.rows import BATCH, ListOfRows, RowsPredictor, RowsProtocol
from bighead_ci.tasks.registry import task_named

logger = logging.getLogger(__name__)

Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

Body = dict[str, Any] | bytes
"""Of an answer; written already, or not yet."""
Answered = tuple[int, Body]

JSON_TYPE = (b"content-type", b"application/json")
RETRY_AFTER = (b"retry-after", b"1")
DECLINED = (UNREADY.encode(), b"1")
_JSON = json.JSONEncoder(separators=(",", ":"))
PREDICT, PREDICT_SLASH, READY = "/predict", "/predict/", "/readyz"
_READ, _WRITE = ("GET", "HEAD"), ("POST",)
PATHS = {
    **dict.fromkeys((PREDICT, BATCH, RANK), _WRITE),
    **dict.fromkeys(("/", "/docs.json", "/metrics", "/healthz", "/livez", READY), _READ),
}
"""What every process answers, beside the Open Inference Protocol's paths: path → methods."""


def answer_document(manifest: ArtifactManifest) -> type[BaseModel]:
    """The answer's schema, for OpenAPI."""
    result = task_named(manifest.target.task).answer_fields(manifest.target)
    text = ("prediction_id", "model", "version", "variant", "artifact")
    fields: dict[str, Any] = dict.fromkeys(text, (str, ...))
    fields |= {**result, "as_of": (str, ...), "features": (int, ...), "features_found": (int, ...)}
    fields[EXPLANATION] = (Explanation | None, None)
    if manifest.details:
        fields[DETAILS] = (details_document(manifest), ...)
    document: type[BaseModel] = create_model("Answer", **fields)
    return document


def make_service(predictor: Predictor) -> Any:
    """A BentoML service with one API, `predict`; no code per model."""
    manifest = predictor.manifest
    answer = answer_document(manifest)

    async def predict(_: Any, **fields: Any) -> Any:
        return answer(**predictor.predict(fields))  # described, and never asked: `ServingApp` answers

    predict.__doc__ = f"Score one row with {manifest.model}/{manifest.version}."
    api = bentoml.api(predict, route="/predict", input_spec=predictor.schema.document("Request"), output_spec=answer)
    settings = bentoml.service(
        name=manifest.model,
        logging={"access": {"enabled": False}},
        metrics={"enabled": False},
        tracing={"excluded_urls": ".*"},
    )
    return settings(type(manifest.model, (), {"predict": api, "__doc__": f"{manifest.model}/{manifest.version}"}))


class ServingApp:
    """The ASGI application of a variant's process."""

    def __init__(
        self,
        config: VariantConfig,
        predictor: Predictor,
        metrics: ServingMetrics,
        health: Health,
        description: bytes,
        behind: App,
    ) -> None:
        self._predictor = predictor
        self._metrics = metrics
        self._health = health
        self._deadline_ms = config.deadline_ms
        self._variant = config.variant.encode()
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
        self._documents: dict[str, dict[str, Any]] = {"/": about, READY: {"ready": True}, **protocol.documents}
        self._readiness = {READY, *protocol.readiness}
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
        path = scope["path"]
        if path == PREDICT_SLASH:  # a redirect would have to know by which prefix and host callers come
            path = PREDICT
        if not await self._refused(path, scope, send):
            await self._serve(path, scope, receive, send)

    async def _refused(self, path: str, scope: Scope, send: Send) -> bool:
        """Answer what is no request of ours, or not for a process that is not ready."""
        method, allowed = scope["method"], self._paths.get(path)
        if allowed is None:
            paths = ", ".join(self._paths)
            await self._respond(send, 404, {"error": f"no such path; allowed: {paths}"})
        elif method not in allowed:
            error = f"{method} is not allowed on {path}; allowed: {', '.join(allowed)}"
            await self._respond(send, 405, {"error": error}, (b"allow", ", ".join(allowed).encode()))
        elif self._health.unready and self._declines(path, scope):
            await self._decline(send, path)
        else:
            return False
        return True

    async def _serve(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        if path == PREDICT:
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
        status, answer = await self._in_time(self._answer(scope, receive))
        await self._respond(send, status, answer, *([RETRY_AFTER] if status in {429, 503} else []))
        self._metrics.answered(status, time.perf_counter() - started)

    async def _predict_rows(self, scope: Scope, receive: Receive, send: Send, protocol: RowsProtocol) -> None:
        status, answer = await self._in_time(self._answer_rows(scope, receive, protocol))
        await self._respond(send, status, answer, *([RETRY_AFTER] if status in {429, 503} else []))
        self._metrics.counted(status)

    def _declines(self, path: str, scope: Scope) -> bool:
        """Whether a process that is not ready leaves a request to others: predictions, only if there are any."""
        if path != PREDICT and path not in self._protocols:
            return path in self._readiness
        others = [value for name, value in scope["headers"] if name == OTHERWISE.encode()]
        return bool(others) and self._variant not in others

    async def _decline(self, send: Send, path: str) -> None:
        predicts = path not in self._readiness
        answer = {"error": f"not ready: {self._health.unready}", **({} if predicts else {"ready": False})}
        await self._respond(send, 503, answer, RETRY_AFTER, *([DECLINED] if predicts else []))
        if predicts:
            self._metrics.counted(503)

    async def _in_time(self, answering: Awaitable[Answered]) -> Answered:
        """What is answered until the deadline; an answer that is late is none, also if nobody could stop it."""
        ends = asyncio.get_running_loop().time() + self._deadline_ms / 1000
        with suppress(TimeoutError):
            async with asyncio.timeout_at(ends):
                status, answer = await answering
            if status != HTTPStatus.OK or asyncio.get_running_loop().time() <= ends:
                return status, answer
        return 504, {"error": f"there was no answer in {self._deadline_ms} ms (serving.deadline_ms)"}

    async def _respond(self, send: Send, status: int, answer: Body, *headers: tuple[bytes, bytes]) -> None:
        body = answer if isinstance(answer, bytes) else _json(answer)
        await _respond(send, status, [*self._headers, *headers], body)

    async def _answer_rows(self, scope: Scope, receive: Receive, protocol: RowsProtocol) -> Answered:
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

    async def _answer(self, scope: Scope, receive: Receive) -> Answered:
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
                row = self._predictor.prepare(decode(body))
                if not self._predictor.is_remote:
                    return 200, self._predictor.score(row).answer
            (more,) = await self._predictor.details([row])
            return 200, (await self._predictor.score_remotely(row)).answer | more
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


def make_app(
    config: VariantConfig, predictor: Predictor, metrics: ServingMetrics, health: Health | None = None
) -> ServingApp:
    """The application that answers for a predictor."""
    service = make_service(predictor)
    behind: App = service.to_asgi(is_main=True)
    page = service.openapi_spec.asdict()
    description = describe(page, predictor.manifest, config.max_batch_rows, config.deadline_ms)
    return ServingApp(config, predictor, metrics, health or Health(config, metrics), description, behind)


def _json(value: Any) -> bytes:
    return _JSON.encode(value).encode()


async def _respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
