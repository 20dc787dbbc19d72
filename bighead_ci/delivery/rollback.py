"""Takes a release back to what it was, and says beforehand whether that is still possible."""

from __future__ import annotations

from bighead_ci.definitions.loading import load_feature_set
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import read_desired
from bighead_ci.delivery.history import release_at
from bighead_ci.delivery.release_pr import open_release_pr, review_release
from bighead_ci.documents.base import Document
from bighead_ci.documents.definition import FeatureSchema
from bighead_ci.documents.forge import PullRequest
from bighead_ci.documents.release import Release, Variant
from bighead_ci.errors import InputError
from bighead_ci.features.naming import feature_schema
from bighead_ci.planning.releases import classify
from bighead_ci.ports.repository import Commit
from bighead_ci.ports.tree import Tree


class Precondition(Document):
    """One thing that the old release needs."""

    what: str
    holds: bool
    detail: str


class RollbackCheck(Document):
    """Whether a rollback would work, before it is needed."""

    environment: str
    model: str
    target: str
    """Commit whose release would be restored."""
    release: Release
    preconditions: list[Precondition]
    git: str
    """The same by hand."""

    @property
    def possible(self) -> bool:
        """True when everything the old release needs still exists."""
        return all(precondition.holds for precondition in self.preconditions)


def check_rollback(context: Context, model: str, environment: str, to: str | None = None) -> RollbackCheck:
    """Find the release to go back to and check that image, artifact and feature schema still exist.

    Without `to`: the latest release in which another version (or artifact) had all the traffic, or nothing but which
    preceded the present canary.

    Raises:
        InputError: nothing serves, or there is nothing to go back to.
    """
    commit = context.repository.resolve("main")
    tree = context.repository.tree(commit)
    desired = read_desired(tree, commit)
    desired.environment(environment)
    current = desired.release(environment, model)
    if current is None:
        raise InputError(f"{model} has no release in {environment}")
    path = f"environments/{environment}/{model}.yaml"
    log = context.repository.log(commit, path)
    target, release = _target(context, environment, model, current, log, to)
    preconditions = [p for variant in release.variants for p in _preconditions(context, tree, variant)]
    undone = [c.id[:10] for c in log[: [c.id for c in log].index(target)]]
    merges = all(len(c.parents) > 1 for c in log[: len(undone)])
    return RollbackCheck(
        environment=environment,
        model=model,
        target=target,
        release=release,
        preconditions=preconditions,
        git=f"git revert --no-edit {'-m 1 ' if merges else ''}{' '.join(undone)} && git push origin HEAD:main",
    )


def _target(
    context: Context, environment: str, model: str, current: Release, log: list[Commit], to: str | None
) -> tuple[str, Release]:
    newest = current.variants[-1]
    wanted = context.repository.resolve(to) if to else None
    for commit in log[1:]:
        if wanted is not None and commit.id != wanted:
            continue
        release, _ = release_at(context, commit.id, environment, model)
        if release is None:
            continue
        differs = all(v.artifact != newest.artifact or v.image != newest.image for v in release.variants)
        if wanted is not None or (differs and release.candidate is None):
            return commit.id, release
    where = f"at {to}" if to else "before the present one"
    raise InputError(f"{model} has no other release in {environment} {where} to go back to")


def _preconditions(context: Context, tree: Tree, variant: Variant) -> list[Precondition]:
    image = context.images.find(variant.image)
    found = [
        Precondition(
            what=f"{variant.version} image {variant.image[7:19]}",
            holds=image is not None,
            detail="present and whole" if image else "missing or damaged",
        )
    ]
    try:
        where = context.records.artifact(variant.artifact)
        found.append(
            Precondition(
                what=f"{variant.version} artifact {variant.artifact[7:19]}",
                holds=True,
                detail=f"digest holds: {where.name}",
            )
        )
    except InputError as error:
        found.append(
            Precondition(what=f"{variant.version} artifact {variant.artifact[7:19]}", holds=False, detail=str(error))
        )
    record = context.records.by_run(variant.run)
    found += [_feature_precondition(tree, variant, schema) for schema in (record.features if record else [])]
    return found


def _feature_precondition(tree: Tree, variant: Variant, schema: FeatureSchema) -> Precondition:
    what = f"{variant.version} features {schema.set}"
    name, version = schema.set.split("/")
    try:
        now = feature_schema(load_feature_set(tree, name, version), schema.columns)
    except InputError as error:
        return Precondition(what=what, holds=False, detail=str(error))
    same = now.digest == schema.digest
    return Precondition(what=what, holds=same, detail="same meaning" if same else "its meaning changed since")


def rollback(context: Context, model: str, environment: str, author: str, to: str | None = None) -> PullRequest:
    """Open the pull request that restores the old release; it needs nobody's approval.

    Raises:
        InputError: something the old release needs is gone; names all of it.
    """
    check = check_rollback(context, model, environment, to)
    if not check.possible:
        missing = "; ".join(f"{p.what}: {p.detail}" for p in check.preconditions if not p.holds)
        raise InputError(f"cannot roll {model} in {environment} back to {check.target[:10]}: {missing}")
    commit = context.repository.resolve("main")
    tree = context.repository.tree(commit)
    desired = read_desired(tree, commit)
    current = desired.release(environment, model)
    change = classify(environment, model, current, check.release, [check.release])
    report = review_release(context, tree, desired, change, check.release)
    body = context.renderer.promotion_markdown(report)
    message = f"Back to the release of {check.target}"
    return open_release_pr(context, desired, change, check.release, body, message, author)
