"""Takes a release back to what it was, and says beforehand whether that is still possible."""

from __future__ import annotations

from dataclasses import dataclass

from bighead_ci.definitions.loading import load_feature_set
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.release_files import files_in, only_of
from bighead_ci.delivery.release_log import ReleaseEdit
from bighead_ci.delivery.release_pr import open_release_pr, review_release
from bighead_ci.delivery.served_images import is_of
from bighead_ci.delivery.taken_back import Served, served, taken_back
from bighead_ci.documents.base import Document, short
from bighead_ci.documents.definition import FeatureSchema
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.documents.plan import ReleaseChange
from bighead_ci.documents.release import Release, Variant, release_path, rendered_directory
from bighead_ci.errors import InputError
from bighead_ci.features.meaning import feature_schema
from bighead_ci.planning.releases import classify, without_standby
from bighead_ci.ports.progress import Progress, silent
from bighead_ci.ports.tree import Tree

_STAND_ON_MAIN = "git fetch origin && git switch --detach origin/main"
"""Whoever stands on a branch of their own would push its commits to main as well."""


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
    skipped: list[str]
    """Later releases that were taken back: which, and by which commit."""
    release: Release
    preconditions: list[Precondition]
    git: str
    """The same by hand."""

    @property
    def possible(self) -> bool:
        """True when everything the old release needs still exists, and going back to it is allowed."""
        return all(precondition.holds for precondition in self.preconditions)


@dataclass(frozen=True)
class _WayBack:
    """A release on main and the one to go back to."""

    main: Main
    environment: str
    model: str
    current: Release
    target: str
    release: Release
    undone: list[ReleaseEdit]
    """What was done to the release since, newest first."""
    skipped: list[str]
    """What lies between and was taken back."""

    def change(self) -> ReleaseChange:
        """The move; refused as its checks would."""
        return classify(self.environment, self.model, self.current, self.release, [self.release])


def check_rollback(context: Context, model: str, environment: str, to: str | None = None) -> RollbackCheck:
    """Find the release to go back to and check that all it needs still exists, and that going there is allowed.

    Without `to`: the latest release in which another version (or artifact) had all the traffic, and which was not taken
    back itself. Else the release that main had at that commit.

    Raises:
        InputError: nothing serves, or there is nothing to go back to.
    """
    return _check(context, _find(context, model, environment, to))


def _find(context: Context, model: str, environment: str, to: str | None) -> _WayBack:
    main = context.main()
    main.desired.environment(environment)
    current = main.desired.release(environment, model)
    if current is None:
        raise InputError(f"{model} has no release in {environment}")
    edits = main.log.of(environment, model)
    skipped: list[str] = []
    if to is None:
        position, release, skipped = _latest_other(main, current, edits)
    else:
        position, release = _at(context, main, current, edits, to)
    target = edits[position].commit.id
    return _WayBack(main, environment, model, current, target, release, edits[:position], skipped)


def _latest_other(main: Main, current: Release, edits: list[ReleaseEdit]) -> tuple[int, Release, list[str]]:
    """The latest edit after which another artifact had all the traffic, that nobody took back, and what was skipped."""
    newest, bad = served(current.newest), taken_back(main, edits)
    skipped: dict[Served, str] = {}
    for position, edit in list(enumerate(edits))[1:]:
        release, _ = main.reader.attempt(edit.environment, edit.model, edit.after)
        if release is None or release.candidate is not None or (one := served(release.stable)) == newest:
            continue
        if one not in bad:
            return position, without_standby(release), list(skipped.values())
        by, name = bad[one].commit, release.called(release.stable)
        skipped.setdefault(one, f"{name} of {edit.commit.id[:10]}, taken back by {by.id[:10]} ({by.subject})")
    model, environment = edits[0].model, edits[0].environment
    none = f"{model} has no other release in {environment} before the present one to go back to"
    if skipped:
        none += (
            f", but {'; '.join(skipped.values())}: if that is wanted, "
            f"`bighead rollback {model} --env {environment} --to COMMIT` names it"
        )
    raise InputError(none)


def _at(context: Context, main: Main, current: Release, edits: list[ReleaseEdit], to: str) -> tuple[int, Release]:
    """What main said at a commit, which need not be one that touched the release."""
    model, environment = edits[0].model, edits[0].environment
    then = context.repository.log(to, release_path(environment, model), limit=1)
    positions = {edit.commit.id: position for position, edit in enumerate(edits)}
    if not then or then[0].id not in positions:
        raise InputError(
            f"main had no release of {model} in {environment} at {to}; `bighead history {model} --env {environment}` "
            "lists the commits to go back to"
        )
    position = positions[then[0].id]
    release, unreadable = main.reader.attempt(environment, model, edits[position].after)
    if release is None:
        raise InputError(unreadable or f"{model} did not serve in {environment} at {to}")
    if release.variants == current.variants:
        raise InputError(f"what {model} served in {environment} at {to} is what it serves now")
    return position, release


def _check(context: Context, way: _WayBack) -> RollbackCheck:
    preconditions = [p for variant in way.release.variants for p in _preconditions(context, way, variant)]
    try:
        preconditions.append(Precondition(what="the move", holds=True, detail=way.change().description))
    except InputError as error:
        preconditions.append(Precondition(what="the move", holds=False, detail=str(error)))
    return RollbackCheck(
        environment=way.environment,
        model=way.model,
        target=way.target,
        skipped=way.skipped,
        release=way.release,
        preconditions=preconditions,
        git=f"{_STAND_ON_MAIN} && {_by_hand(context, way)} && git push origin HEAD:main",
    )


def _by_hand(context: Context, way: _WayBack) -> str:
    """What git itself offers: a revert of each commit since, unless one of them did something else, which must stay."""
    key, repository = (way.environment, way.model), context.repository
    if all(only_of(repository.changed_paths(e.commit.parents[0], e.commit.id), key) for e in way.undone):
        # For a commit that is no merge, `-m 1` means its only parent.
        return f"git revert --no-edit -m 1 {' '.join(e.commit.id[:10] for e in way.undone)}"
    rendered = rendered_directory(*key)
    held = {*files_in(way.main.tree, key), *files_in(repository.tree(way.target), key)}
    paths = [release_path(*key), *([rendered] if any(path.startswith(f"{rendered}/") for path in held) else [])]
    restore = f"git restore --source={way.target[:10]} --staged --worktree -- {' '.join(paths)}"
    return f"{restore} && git commit -m 'Back to {way.target[:10]}'"


def _preconditions(context: Context, way: _WayBack, variant: Variant) -> list[Precondition]:
    definition = way.main.desired.environment(way.environment)
    image = context.images_of(way.environment, definition).find(variant.image)
    found = [
        Precondition(
            what=f"{variant.version} image {short(variant.image)}",
            holds=image is not None,
            detail="present and whole" if image else "missing or damaged",
        )
    ]
    what = f"{variant.version} artifact {short(variant.artifact)}"
    try:
        where = context.records.artifact(variant.artifact)
        found.append(Precondition(what=what, holds=True, detail=f"digest holds: {where.name}"))
    except InputError as error:
        found.append(Precondition(what=what, holds=False, detail=str(error)))
    what = f"{variant.version} record {variant.run[:12]}"
    try:
        record = context.records.by_run(variant.run)
    except InputError as error:
        return [*found, Precondition(what=what, holds=False, detail=str(error))]
    if record is None:
        return [*found, Precondition(what=what, holds=False, detail=f"no record has run id {variant.run}")]
    same = (record.artifact, record.version) == (variant.artifact, variant.version)
    same = same and (image is None or is_of(image, record))  # that it is missing is said above
    detail = "is of this image and artifact" if same else f"is of {record.id}, {record.image}, {record.artifact}"
    found.append(Precondition(what=what, holds=same, detail=detail))
    return found + [_feature_precondition(way.main.tree, variant, schema) for schema in record.features]


def _feature_precondition(tree: Tree, variant: Variant, schema: FeatureSchema) -> Precondition:
    what = f"{variant.version} features {schema.set}"
    name, version = schema.set.split("/")
    try:
        now = feature_schema(load_feature_set(tree, name, version), schema.columns)
    except InputError as error:
        return Precondition(what=what, holds=False, detail=str(error))
    same = now.digest == schema.digest
    return Precondition(what=what, holds=same, detail="same meaning" if same else "its meaning changed since")


def rollback(
    context: Context, model: str, environment: str, to: str | None = None, progress: Progress = silent
) -> PullRequestSummary:
    """Open the pull request that restores the old release; it needs nobody's approval. What it skips is said.

    Raises:
        InputError: something the old release needs is gone, or it may not be gone back to; names all of it.
    """
    way = _find(context, model, environment, to)
    check = _check(context, way)
    if not check.possible:
        missing = "; ".join(f"{p.what}: {p.detail}" for p in check.preconditions if not p.holds)
        raise InputError(f"cannot roll {model} in {environment} back to {check.target[:10]}: {missing}")
    change = way.change()
    report = review_release(context, way.main, change, way.release)
    skipped = [f"skipped: {one}" for one in way.skipped]
    for line in skipped:
        progress(line)
    message = "\n".join([f"Back to the release of {way.target}", *skipped])
    return open_release_pr(context, way.main, change, way.release, report, message)
