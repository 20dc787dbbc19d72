"""What each environment serves now, with its record."""

from __future__ import annotations

from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired
from bighead_ci.documents.report import RunningVersion


def running_versions(context: Context, desired: Desired, model: str) -> list[RunningVersion]:
    """The stable variant of each environment that serves the model and whose record is known."""
    found = []
    for placed in desired.serving(model):
        stable = placed.release.stable
        record = context.records.by_run(stable.run)
        if record is not None:
            found.append(
                RunningVersion(
                    environment=placed.environment, version=stable.version, weight=stable.weight, record=record
                )
            )
    return found
