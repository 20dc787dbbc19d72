"""What BentoML does not know of a process's paths, for its OpenAPI page."""

from __future__ import annotations

from typing import Any

from bighead_ci.serving.explaining import EXPLANATION, PARAMETER

_EXPLAIN = {
    "name": PARAMETER,
    "in": "query",
    "required": False,
    "schema": {"type": "boolean", "default": False},
    "description": f"Whether the answer has `{EXPLANATION}`: what each input adds to the raw score.",
}
_NONE = {"description": "The artifact has no explanations: its kind, or the engine that made it, has none."}


def with_explanations(page: dict[str, Any]) -> dict[str, Any]:
    """The page with the query that asks `/predict` for explanations."""
    predict = page["paths"]["/predict"]["post"]
    predict["parameters"] = [*predict.get("parameters", []), _EXPLAIN]
    predict["responses"]["501"] = _NONE
    return page
