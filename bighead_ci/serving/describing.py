"""What BentoML does not know of a process's paths, for its OpenAPI page."""

from __future__ import annotations

from typing import Any

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.explanation import Explanation
from bighead_ci.serving.explaining import EXPLANATION, PARAMETER
from bighead_ci.serving.ranking import CANDIDATES, RANKED, SHARED
from bighead_ci.serving.request import RequestSchema
from bighead_ci.tasks.registry import task_named

_EXPLAIN = {
    "name": PARAMETER,
    "in": "query",
    "required": False,
    "schema": {"type": "boolean", "default": False},
    "description": f"Whether the answer has `{EXPLANATION}`: what each input adds to the raw score.",
}
_REFUSED = {"description": "The request does not fit; the answer names every problem."}
_NONE = {"description": "The artifact has no explanations: its kind, or the engine that made it, has none."}


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
    page["paths"][path] = {
        "post": {
            "summary": "Rank candidates",
            "description": "Scores the candidates of one list together, and answers them best first.",
            "parameters": [_EXPLAIN],
            "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
            "responses": {
                "200": {"description": "Ranked", "content": {"application/json": {"schema": _ranked()}}},
                "400": _REFUSED,
                "501": _NONE,
            },
        }
    }
    return page


def _ranked() -> dict[str, Any]:
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
    each = {"type": "object", "properties": candidate, "required": [*candidate][:-1]}
    ranked = {"type": "array", "items": each}
    return {
        "type": "object",
        "properties": about | {"features": whole, RANKED: ranked},
        "required": ["list_id", RANKED],
    }
