"""After a merge: makes sure that what main holds has records, and opens the first promotions."""

from __future__ import annotations

from bighead_ci.delivery.build import ensure_record
from bighead_ci.delivery.contained import Contained
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.outdated import ask_again
from bighead_ci.delivery.promote import Promotion, promote_on
from bighead_ci.documents.plan import PlannedModel
from bighead_ci.planning.change import planned_models
from bighead_ci.ports.progress import Progress


def deliver(context: Context, since: str, progress: Progress) -> list[Promotion]:
    """For each model version that changed on main since a commit: its record, then its first promotion PR.

    The record is nearly always the pull request's own: same content key. It is made here only if another merge changed
    what the version depends on. Of several versions of a model the newest is promoted, and none that is older than what
    serves: going back is a decision of people. Before all that, checks that the change outdated are asked for again.

    Raises:
        InputError: some model cannot be delivered; the others were.
        RetryError: the same for now; running it again is safe.
    """
    main = context.main()
    ask_again(context, main, progress)
    models: dict[str, list[PlannedModel]] = {}
    for planned in sorted(planned_models(context.repository.tree(since), main.tree, context.engine), key=_number):
        models.setdefault(planned.model, []).append(planned)
    opened: list[Promotion] = []
    contained = Contained()
    for error in main.desired.unreadable_environments.values():
        with contained.trouble():
            raise error
    for _, versions in sorted(models.items()):
        with contained.trouble():
            for planned in versions:
                ensure_record(context, planned.model, planned.version, main.commit, progress, any_engine=True)
            for environment in main.desired.after(None):
                with contained.trouble():
                    opened += _promote(context, main, versions[-1], environment, progress)
    contained.report()
    return opened


def _promote(
    context: Context, main: Main, planned: PlannedModel, environment: str, progress: Progress
) -> list[Promotion]:
    release = main.desired.release(environment, planned.model)
    if release is not None and any(_age(v.version) > _number(planned) for v in release.variants):
        progress(f"{planned.id}: {environment} serves a newer version; `bighead promote` would go back")
        return []
    promotion = promote_on(context, main, planned.model, environment, planned.version)
    if promotion is None:
        return []
    progress(f"{planned.id}: promotion to {environment} is pull request #{promotion.pull_request.number}")
    return [promotion]


def _number(planned: PlannedModel) -> int:
    return _age(planned.version)


def _age(version: str) -> int:
    """`v10` comes after `v9`."""
    return int(version.removeprefix("v"))
