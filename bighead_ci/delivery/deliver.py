"""After a merge: makes sure that what main holds has records, and opens the first promotions."""

from __future__ import annotations

from bighead_ci.delivery.build import ensure_record
from bighead_ci.delivery.context import Context, Progress
from bighead_ci.delivery.desired import read_desired
from bighead_ci.delivery.promote import Promotion, promote
from bighead_ci.documents.plan import PlannedModel
from bighead_ci.planning.change import planned_models


def deliver(context: Context, since: str, progress: Progress, branch: str = "main") -> list[Promotion]:
    """For each model version that changed on main since a commit: its record, then its first promotion PR.

    The record is nearly always the pull request's own: same content key. It is made here only if another merge changed
    what the version depends on. Of several versions of a model the newest is promoted, and none that is older than what
    serves: going back is a decision of people.
    """
    head = context.repository.resolve(branch)
    tree = context.repository.tree(head)
    desired = read_desired(tree, head)
    opened = []
    newest: dict[str, PlannedModel] = {}
    for planned in sorted(planned_models(context.repository.tree(since), tree, context.engine), key=_age):
        ensure_record(context, planned, head, desired, progress)
        newest[planned.model] = planned
    for planned in newest.values():
        for environment in desired.after(None):
            release = desired.release(environment, planned.model)
            if release is not None and any(_number(v.version) > _number(planned.version) for v in release.variants):
                progress(f"{planned.id}: {environment} serves a newer version; `bighead promote` would go back")
                continue
            promotion = promote(context, planned.model, environment, planned.version)
            if promotion is not None:
                number = promotion.pull_request.number
                progress(f"{planned.id}: promotion to {environment} is pull request #{number}")
                opened.append(promotion)
    return opened


def _age(planned: PlannedModel) -> tuple[str, int]:
    return planned.model, _number(planned.version)


def _number(version: str) -> int:
    """`v10` comes after `v9`."""
    return int(version.removeprefix("v"))
