"""What answers callers, in words: the kind of artifact, what a row costs, and why it is no faster kind."""

from __future__ import annotations

from bighead_ci.documents.record import RunRecord
from bighead_ci.reporting.escaping import code, text

SMALLER = (
    "It is judged and served in the environment of `training.lock`. A smaller image, without what only training needs, "
    "comes of `serving: {kind: python}` in model.yaml and `bighead lock`; `{kind: compiled}` forbids it"
)
_REASON = 600
"""Characters."""


def answers(record: RunRecord) -> str:
    """`trees, 0.03 ms a row`; empty for records from before there were kinds."""
    if record.kind is None:
        return ""
    who = "its own code" if record.kind == "python" else record.kind
    return who if record.row_milliseconds is None else f"{who}, {record.row_milliseconds:g} ms a row"


def refusals(record: RunRecord) -> list[str]:
    """Why it is none of the kinds that were tried before, one line of Markdown each."""
    refused = record.evaluation.conversion.refused if record.evaluation.conversion else []
    return [f"not {code(one.kind)}: {text(one.reason, _REASON)}" for one in refused]
