"""The names of what the engine says of a commit, and how it is found again."""

from __future__ import annotations

from bighead_ci.documents.forge import Check
from bighead_ci.ports.forge import Forge

CI = "bighead/ci"
"""The one check of everything that a pull request brings; gates have a check each beside it."""

APPROVALS = "bighead/approvals"
"""Whether enough people approve; computed by the engine."""
REQUIRED = (CI, APPROVALS)
"""What a merge into main needs."""


def gate_check(model: str, version: str, gate: str) -> str:
    """The check of one gate on one model version: a pull request may bring several."""
    return f"bighead/gate/{model}/{version}/{gate}"


def find_check(forge: Forge, commit: str, name: str) -> Check | None:
    """What is said of a commit under a name."""
    return next((check for check in forge.checks(commit) if check.name == name), None)
