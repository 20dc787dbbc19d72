"""After a merge: makes sure that what main holds has records, and opens the first promotions."""

from __future__ import annotations

from bighead_ci.delivery.build import ensure_record
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.failures import Failures
from bighead_ci.delivery.history import release_in
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.outdated import ask_again
from bighead_ci.delivery.promote import Promotion, promote_on
from bighead_ci.delivery.release_pr import LABEL, release_branch
from bighead_ci.delivery.served_images import serves
from bighead_ci.documents.base import CommitId, Document
from bighead_ci.documents.failure import Failure
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.documents.plan import PlannedModel
from bighead_ci.documents.record import RunRecord
from bighead_ci.planning.change import plannable_models
from bighead_ci.ports.progress import Progress


class Delivery(Document):
    """What a delivery opened, and the models and environments that it could do nothing for."""

    commit: CommitId
    """Of main, up to which it delivered."""
    promotions: list[Promotion]
    failures: list[Failure]


def deliver(context: Context, since: str, progress: Progress) -> Delivery:
    """For each model version that changed on main since a commit: its record, then its first promotion PR.

    The record is nearly always the pull request's own: same content key. It is made here only if another merge changed
    what the version depends on. Of several versions of a model the newest is promoted, and none that is older than what
    serves: going back is a decision of people; so is closing a promotion, which is not opened again. Before all that,
    checks that the change outdated are asked for again.

    Running it again for the same commits is safe: what is done is found done.
    """
    main = context.main()
    failures = Failures()
    ask_again(context, main, progress, failures)
    models: dict[str, list[PlannedModel]] = {}
    found, hindered = plannable_models(context.repository.tree(since), main.tree, context.engine)
    for model, problem in sorted(hindered.items()):
        failures.add(model, problem)
    for planned in sorted(found, key=_number):
        models.setdefault(planned.model, []).append(planned)
    opened: list[Promotion] = []
    for environment, error in main.desired.unreadable_environments.items():
        failures.add(environment, error)
    for model, versions in sorted(models.items()):
        with failures.contain(model):
            records = [
                ensure_record(context, model, planned.version, main.commit, progress, any_engine=True).record
                for planned in versions
            ]
            for environment in main.desired.after(None):
                with failures.contain(f"{environment}/{model}"):
                    opened += _promote(context, main, records[-1], environment, progress)
    return Delivery(commit=main.commit, promotions=opened, failures=failures.found)


def _promote(context: Context, main: Main, record: RunRecord, environment: str, progress: Progress) -> list[Promotion]:
    name = f"{record.model} {record.version}"
    release = main.desired.release(environment, record.model)
    if release is not None and any(_age(v.version) > _age(record.version) for v in release.variants):
        progress(f"{name}: {environment} serves a newer version; `bighead promote` would go back")
        return []
    if (closed := _closed_promotion(context, main, record, environment)) is not None:
        progress(
            f"{name}: somebody closed its promotion to {environment}, #{closed.number}; `bighead promote` opens it"
        )
        return []
    promotion = promote_on(context, main, record.model, environment, record.version, progress)
    if promotion is None:
        return []
    progress(f"{name}: promotion to {environment} is pull request #{promotion.pull_request.number}")
    return [promotion]


def _closed_promotion(context: Context, main: Main, record: RunRecord, environment: str) -> PullRequestSummary | None:
    """The last pull request of the release, if it proposed this very artifact and image and was closed."""
    branch = release_branch(environment, record.model)
    last = next(iter(context.forge.find(None, LABEL, branch, limit=1)), None)
    if last is None or last.state != "closed":
        return None
    proposed = release_in(context.repository.tree(last.head), environment, record.model)
    definition = main.desired.environment(environment)
    same = proposed is not None and serves(context, environment, definition, proposed.newest, record)
    return last if same else None


def _number(planned: PlannedModel) -> int:
    return _age(planned.version)


def _age(version: str) -> int:
    """`v10` comes after `v9`."""
    return int(version.removeprefix("v"))
