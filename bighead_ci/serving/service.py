"""The BentoML service of a model, made from its artifact's manifest, with a short path in front for predictions.

BentoML describes and hosts the API: `/docs.json` (OpenAPI), `/`, `/livez`, `/healthz`. `POST /predict` is answered
before BentoML's middleware, which would take most of a millisecond a request.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import bentoml
from pydantic import BaseModel, create_model

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.live import VariantConfig
from bighead_ci.errors import BigheadError
from bighead_ci.serving.metrics import ServingMetrics
from bighead_ci.serving.predictor import Predictor, ScoreError
from bighead_ci.serving.request import RequestError

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_LIMIT = 1 << 20
"""Bytes of a request's body."""
JSON_TYPE = (b"content-type", b"application/json")


class TooLargeError(Exception):
    """The body is longer than `BODY_LIMIT`."""


def answer_document(manifest: ArtifactManifest) -> type[BaseModel]:
    """The answer's schema, for OpenAPI."""
    result: dict[str, Any] = {"score": (float, ...)}
    if manifest.task == "multiclass":
        result = {"class": (str, ...), "scores": (dict[str, float], ...)}
    text = ("prediction_id", "model", "version", "variant", "artifact")
    fields: dict[str, Any] = dict.fromkeys(text, (str, ...))
    fields |= {**result, "as_of": (str, ...), "features": (int, ...), "features_found": (int, ...)}
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


class ServingApp:
    """The ASGI application of a variant's process."""

    def __init__(self, config: VariantConfig, predictor: Predictor, metrics: ServingMetrics, behind: App) -> None:
        self._predictor = predictor
        self._metrics = metrics
        self._behind = behind
        self._limit = config.max_concurrency
        self._waiting = 0
        self._headers = [
            JSON_TYPE,
            (b"x-bighead-variant", config.variant.encode()),
            (b"x-bighead-version", config.version.encode()),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route: predictions and metrics here, everything else to BentoML."""
        path = scope["path"] if scope["type"] == "http" else None
        if path == "/predict":
            await self._predict(scope, receive, send)
        elif path == "/metrics":
            await _respond(send, 200, [(b"content-type", b"text/plain; version=0.0.4")], self._metrics.page())
        else:
            await self._behind(scope, receive, send)

    async def _predict(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        status, answer = await self._answer(scope, receive)
        headers = [*self._headers, (b"retry-after", b"1")] if status in {429, 503} else self._headers
        await _respond(send, status, headers, json.dumps(answer, separators=(",", ":")).encode())
        self._metrics.answered(status, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, dict[str, Any]]:
        if scope["method"] != "POST":
            return 405, {"error": f"{scope['method']} is not allowed; POST a JSON object"}
        if self._waiting >= self._limit:
            return 429, {"error": f"{self._limit} requests are waiting already (serving.max_concurrency)"}
        self._waiting += 1
        try:
            body = await _read(receive)
            await asyncio.sleep(0)  # lets every request that has arrived be counted before one is scored
            return self._score(body)
        except TooLargeError:
            return 413, {"error": f"the body is larger than {BODY_LIMIT} bytes"}
        finally:
            self._waiting -= 1

    def _score(self, body: bytes) -> tuple[int, dict[str, Any]]:
        try:
            return 200, self._predictor.predict(json.loads(body, parse_constant=_no_constant))
        except RequestError as error:
            return 400, error.as_json()
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            return 400, {"error": f"the body is not JSON: {error}", "problems": []}
        except BigheadError as error:  # the request was checked: it is the store that cannot answer
            return 503, {"error": str(error)}
        except ScoreError as error:
            return 500, {"error": str(error)}
        except Exception:
            logger.exception("prediction failed")
            return 500, {"error": "the prediction failed; the variant's log says why"}


def _no_constant(name: str) -> float:
    raise json.JSONDecodeError(f"{name} is not a JSON number", name, 0)


async def _read(receive: Receive) -> bytes:
    message = await receive()
    if message["type"] == "http.disconnect":
        return b""
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT:
            break
    if len(body) > BODY_LIMIT:
        raise TooLargeError
    return body


async def _respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
