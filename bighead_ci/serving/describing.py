"""What BentoML does not know of a process's paths, for its OpenAPI page."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, Field, create_model

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.explanation import Explanation
from bighead_ci.serving.explaining import EXPLANATION, PARAMETER
from bighead_ci.serving.frames import DETAILS
from bighead_ci.serving.open_inference import DATATYPES, OpenInference
from bighead_ci.serving.ranking import CANDIDATES, RANK, RANKED, SHARED
from bighead_ci.serving.request import RequestSchema
from bighead_ci.serving.rows import BATCH
from bighead_ci.tasks.registry import task_named

Json = dict[str, Any]
JSON_TYPE = "application/json"
STATUSES = {
    "400": "What was sent does not fit; every problem is named.",
    "413": "The body is too long.",
    "415": "The body is compressed.",
    "429": "Too many requests wait already (serving.max_concurrency).",
    "500": "The model gave no answer.",
    "503": "The online store, or the process, cannot answer now.",
    "504": "There was no answer in time (serving.deadline_ms).",
}
_EXPLAIN = {
    "name": PARAMETER,
    "in": "query",
    "required": False,
    "schema": {"type": "boolean", "default": False},
    "description": f"Whether the answer has `{EXPLANATION}`: what each input adds to the raw score.",
}
_NONE = {"description": "The artifact has no explanations: its kind, or the engine that made it, has none."}


def describe(page: Json, manifest: ArtifactManifest, most_rows: int, deadline_ms: int) -> bytes:
    """The page that BentoML made, with what it does not know, without its own words and the pictures in them."""
    page = json.loads(json.dumps(page))  # statuses are text in JSON
    about = f"Scores rows with version {manifest.version} of {manifest.model}, within {deadline_ms} ms."
    page["info"] = {"title": manifest.model, "version": manifest.version, "description": about}
    single = page["paths"]["/predict"]["post"]
    row = single["requestBody"]["content"][JSON_TYPE]["schema"]
    answer = single["responses"]["200"]["content"][JSON_TYPE]["schema"]
    single["responses"] |= _refusals()
    page["paths"][BATCH] = _post(
        "predict_batch",
        f"Score up to {most_rows:,} rows, all or none.",
        _object(rows={"type": "array", "items": row, "maxItems": most_rows}),
        _object(rows={"type": "array", "items": answer}),
    )
    page["paths"] |= _open_inference(OpenInference(manifest), manifest)
    return json.dumps(with_ranking(with_explanations(page), RANK, manifest)).encode()


def details_document(manifest: ArtifactManifest) -> type[BaseModel]:
    """The schema of what the version's own code says besides scores."""
    kinds: dict[str, Any] = {"int64": int, "float64": float, "string": str, "bool": bool}
    fields: dict[str, Any] = {
        name: (kinds[field.type] if field.required else kinds[field.type] | None, Field(description=field.description))
        for name, field in manifest.details.items()
    }
    document: type[BaseModel] = create_model("Details", **fields)
    return document


def with_explanations(page: dict[str, Any]) -> dict[str, Any]:
    """The page with the query that asks `/predict` for explanations."""
    predict = page["paths"]["/predict"]["post"]
    predict["parameters"] = [*predict.get("parameters", []), _EXPLAIN]
    predict["responses"]["501"] = _NONE
    return page


def with_ranking(page: dict[str, Any], path: str, manifest: ArtifactManifest) -> dict[str, Any]:
    """The page with the path that ranks candidates, if the model's task does."""
    task = task_named(manifest.target.task)
    if not task.ranks:
        return page
    fields = RequestSchema(manifest.request).document("Request").model_json_schema().get("properties", {})
    row = {"type": "object", "properties": fields}
    shared = row | {"description": "Fields that hold for each candidate; none may be in a candidate, too."}
    request = {
        "type": "object",
        "properties": {SHARED: shared, CANDIDATES: {"type": "array", "items": row}},
        "required": [CANDIDATES],
    }
    about = "Score the candidates of one list together, and answer them best first."
    page["paths"][path] = _post("rank", about, request, _ranked(manifest))
    page["paths"][path]["post"]["parameters"] = [_EXPLAIN]
    page["paths"][path]["post"]["responses"]["501"] = _NONE
    return page


def _ranked(manifest: ArtifactManifest) -> dict[str, Any]:
    text, number, whole = ({"type": name} for name in ("string", "number", "integer"))
    about = dict.fromkeys(("list_id", "model", "version", "variant", "artifact", "as_of"), text)
    explanation = Explanation.model_json_schema(ref_template="#/components/schemas/{model}")
    explanation.pop("$defs", None)
    candidate = {
        "rank": whole | {"description": "From 1, the best."},
        "index": whole | {"description": "Place among the candidates of the request, from 0."},
        "score": number,
        "prediction_id": text,
        "features_found": whole,
        EXPLANATION: explanation,
    }
    needed = [*candidate][:-1]
    if manifest.details:
        candidate[DETAILS] = details_document(manifest).model_json_schema()
    each = {"type": "object", "properties": candidate, "required": needed}
    ranked = {"type": "array", "items": each}
    return {
        "type": "object",
        "properties": about | {"features": whole, RANKED: ranked},
        "required": ["list_id", RANKED],
    }


def _open_inference(protocol: OpenInference, manifest: ArtifactManifest) -> Json:
    tensor = _object(
        name={"type": "string", "enum": list(manifest.request)},
        datatype={"type": "string", "enum": sorted({kind for kinds in DATATYPES.values() for kind in kinds})},
        shape={"type": "array", "items": {"type": "integer", "minimum": 0}},
        data={"type": "array", "items": {}},
    )
    output = _object(
        name={"type": "string"},
        datatype={"type": "string"},
        shape=tensor["properties"]["shape"],
        data={"type": "array"},
    )
    answer = _object(
        model_name={"type": "string"}, model_version={"type": "string"}, outputs={"type": "array", "items": output}
    )
    about = "Score rows sent as tensors (Open Inference Protocol 2)."
    paths = {
        path: _post(f"infer_{number}", about, _object(inputs={"type": "array", "items": tensor}), answer)
        for number, path in enumerate(protocol.infer)
    }
    return paths | {path: _get(path, ready=path in protocol.readiness) for path in protocol.documents}


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _post(name: str, about: str, request: Json, answer: Json) -> Json:
    return {
        "post": {
            "operationId": name,
            "summary": about,
            "requestBody": {"required": True, "content": {JSON_TYPE: {"schema": request}}},
            "responses": {"200": _response("The answer.", answer), **_refusals()},
        }
    }


def _get(path: str, *, ready: bool) -> Json:
    name = "get_" + path.strip("/").replace("/", "_")
    refusal = {"503": _response("The process is not ready; it says why.", {"type": "object"})} if ready else {}
    return {
        "get": {
            "operationId": name,
            "summary": "Whether it is ready." if ready else "What it is.",
            "responses": {"200": _response("The answer.", {"type": "object"}), **refusal},
        }
    }


def _refusals() -> Json:
    error = _object(error={"type": "string"})
    return {status: _response(words, error) for status, words in STATUSES.items()}


def _response(about: str, schema: Json) -> Json:
    return {"description": about, "content": {JSON_TYPE: {"schema": schema}}}
