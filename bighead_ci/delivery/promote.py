"""Opens the pull request that brings a model version into an environment."""

from __future__ import annotations

from bighead_ci.definitions.check_clusters import misplaced_problems
from bighead_ci.definitions.files import Files
from bighead_ci.delivery.build import record_of
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.release_pr import open_release_pr, review_release
from bighead_ci.delivery.served_images import image_for
from bighead_ci.documents.base import Document
from bighead_ci.documents.environment import EnvironmentDefinition
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.documents.record import RunRecord
from bighead_ci.documents.release import Release, Variant
from bighead_ci.documents.report import PromotionReport
from bighead_ci.errors import InputError
from bighead_ci.planning.releases import classify, promoted, without_standby
from bighead_ci.ports.progress import Progress, silent
from bighead_ci.scorers.published import publish_artifact


class Promotion(Document):
    """A pull request with the report in its body."""

    pull_request: PullRequestSummary
    report: PromotionReport


def promote(
    context: Context, model: str, environment: str, version: str | None = None, progress: Progress = silent
) -> Promotion | None:
    """Open (or supersede) the promotion of a version to an environment; None when it already serves there.

    Without a version: what serves in the environment that this one promotes from. Its artifact is published first where
    the environment has a store, and its image built where it is not there.

    Raises:
        InputError: no such environment or version, no record, no image can be built, or a canary is already under way.
        RetryError: the store, or what builds the image, does not answer.
    """
    return promote_on(context, context.main(), model, environment, version, progress)


def promote_on(
    context: Context, main: Main, model: str, environment: str, version: str | None, progress: Progress
) -> Promotion | None:
    """`promote`, on a snapshot of main that the caller has looked at."""
    definition = main.desired.environment(environment)
    record = _record_to_promote(context, main, model, environment, version)
    if problems := [*misplaced_problems(Files(main.tree), environment, model, record.version)]:
        raise InputError(problems)
    candidate = Variant(
        version=record.version,
        image=image_for(context, environment, definition, record, progress),
        artifact=record.artifact,
        run=record.run_id,
        commit=record.commit,
        weight=0,
    )
    old = main.desired.release(environment, model)
    if _already_there(old, candidate):
        return None
    _publish(context, environment, definition, record, progress)
    new = promoted(old, candidate, definition.canary, at_rest=definition.comes_in_at_rest)
    change = classify(environment, model, old, new, [])
    report = review_release(context, main, change, new)
    message = f"Artifact {record.artifact}\nImage {candidate.image}\nRecord {record.run_id}"
    return Promotion(pull_request=open_release_pr(context, main, change, new, report, message), report=report)


def _publish(
    context: Context, environment: str, definition: EnvironmentDefinition, record: RunRecord, progress: Progress
) -> None:
    """Put the artifact where the machines of the environment fetch it, before anything names it there."""
    store = context.objects_of(definition)
    if store is not None:
        progress(f"{record.id}: publishing its artifact for {environment}")
        publish_artifact(store, context.records.artifact(record.artifact))


def _already_there(old: Release | None, candidate: Variant) -> bool:
    there = without_standby(old).variants if old is not None else []
    return any((v.artifact, v.image) == (candidate.artifact, candidate.image) for v in there)


def _record_to_promote(context: Context, main: Main, model: str, environment: str, version: str | None) -> RunRecord:
    """What is to be promoted: the newest of that version in the environment before, or main's content key of it."""
    desired = main.desired
    before = desired.environment(environment).promotes_from
    source = desired.release(before, model) if before else None
    if version is None:
        if source is None:
            wanted = f"serving in {before}" if before else "named by --version"
            raise InputError(f"nothing to promote: {model} has no version {wanted}")
        version = source.newest.version
    for variant in reversed(source.variants) if source else []:
        if variant.version == version and (found := context.records.by_run(variant.run)):
            return found
    record = record_of(context, main.tree, model, version)
    if record is None:
        raise InputError(
            f"{model}/{version} has no record for what main holds now: its pull request's checks have not run to the "
            "end, or its inputs changed since; a pull request that touches it builds it"
        )
    return record
