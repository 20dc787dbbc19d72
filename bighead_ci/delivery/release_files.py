"""The files of a release: the one that says what serves, and whatever its platform renders, committed together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import partial

from bighead_ci.definitions.files import Place, place_of
from bighead_ci.definitions.loading import load_model
from bighead_ci.definitions.release_file import render_release
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired
from bighead_ci.delivery.proposal import Change
from bighead_ci.documents.release import (
    PlacedRelease,
    Release,
    environment_rendered_for,
    environment_rendered_path,
    rendered_directory,
    rendered_for,
)
from bighead_ci.errors import Problem
from bighead_ci.ports.tree import Tree

Key = tuple[str, str]
"""(environment, model)"""
RENDER = "what `bighead render` writes"


def release_files(
    context: Context, desired: Desired, tree: Tree, key: Key, release: Release | None
) -> dict[str, bytes]:
    """Every file that says what serves a model in an environment: path → content; none without a release.

    Args:
        context: Whose platforms render.
        desired: Where the environment is defined.
        tree: Where the model's versions are.
        key: Whose release it is.
        release: The release.

    Raises:
        InputError: there is no such environment, or its file has problems; or a version of the model that has to be
            looked at, for the platform renders, is missing or has problems.
    """
    if release is None:
        return {}
    environment, model = key
    placed = PlacedRelease(environment=environment, model=model, release=release)
    platform = context.platform(environment, desired.environment(environment))
    rendered = platform.render(placed, partial(load_model, tree, model))
    directory = rendered_directory(environment, model)
    return {
        placed.path: render_release(release).encode(),
        **{f"{directory}/{name}": content for name, content in sorted(rendered.items())},
    }


def environment_files(context: Context, desired: Desired, environment: str) -> dict[str, bytes]:
    """Every file that an environment needs besides, whatever its releases: path → content.

    Raises:
        InputError: there is no such environment, or its file has problems.
    """
    rendered = context.platform(environment, desired.environment(environment)).render_environment()
    return {environment_rendered_path(environment, name): content for name, content in sorted(rendered.items())}


def environment_changes(tree: Tree, environment: str, files: dict[str, bytes]) -> dict[str, bytes | None]:
    """As `changes_to`, for the files of an environment itself."""
    return _changes(tree, sorted(path for path in tree.files() if environment_rendered_for(path) == environment), files)


def changes_to(tree: Tree, key: Key, files: dict[str, bytes]) -> dict[str, bytes | None]:
    """What makes a tree hold these files of a release and no others: path → content, None where one has to go."""
    return _changes(tree, files_in(tree, key), files)


def files_in(tree: Tree, key: Key) -> list[str]:
    """The files of a release that a tree holds, sorted."""
    return _present(tree, {key[0]})[key]


def _changes(tree: Tree, present: list[str], files: dict[str, bytes]) -> dict[str, bytes | None]:
    gone = dict.fromkeys(path for path in present if path not in files)
    return gone | {path: data for path, data in files.items() if path not in present or tree.read(path) != data}


def _present(tree: Tree, environments: Collection[str]) -> defaultdict[Key, list[str]]:
    """The files of every release of some environments that a tree holds, sorted."""
    found: defaultdict[Key, list[str]] = defaultdict(list)
    for path in sorted(path for path in tree.files() if path.startswith("environments/")):
        key = release_of(path)
        if key is not None and key[0] in environments:
            found[key].append(path)
    return found


def release_of(path: str) -> Key | None:
    """The release that a file is one of the files of."""
    place = place_of(path)
    if place is not None:
        return (place.of, place.name) if place.kind == "release" else None
    return rendered_for(path)


def only_of(paths: Iterable[str], key: Key) -> bool:
    """Whether all paths are files of one release."""
    return all(release_of(path) == key for path in paths)


def rendering_problems(context: Context, change: Change) -> list[Problem]:
    """What is not as the releases of a change would be written: files missing, other, too many, or special.

    The release file itself may be worded by hand. A release or environment that cannot be read has its own problems.
    """
    changed = {key for path in change.paths if (key := release_of(path))}
    redefined = {p.name for path in change.paths if (p := place_of(path)) and p.kind == "environment"}
    changed |= _releases_of(change.desired, {(p.name, p.of) for p in _versions(change.paths)})
    environments = {environment for environment, _ in changed} | redefined
    present = _present(change.tree, environments) if environments else defaultdict(list)
    concerned = changed | {key for key in present if key[0] in redefined}
    found = [found for key in sorted(concerned) for found in _problems(context, change, key, present[key])]
    touched = redefined | {name for path in change.paths if (name := environment_rendered_for(path))}
    return found + [one for name in sorted(touched) for one in _environment_problems(context, change, name)]


def _versions(paths: Iterable[str]) -> Iterator[Place]:
    """Versions of models whose definitions are among some files."""
    places = (place_of(path) for path in paths)
    return (place for place in places if place is not None and place.kind == "model")


def _releases_of(desired: Desired, versions: Collection[tuple[str, str]]) -> set[Key]:
    """Releases that name one of these versions of models."""
    return {
        key
        for key, placed in desired.releases.items()
        if any((key[1], variant.version) in versions for variant in placed.release.variants)
    }


def _environment_problems(context: Context, change: Change, environment: str) -> Iterator[Problem]:
    """What is not as an environment itself would be written."""
    if environment in change.desired.unreadable_environments:
        return
    known = environment in change.desired.environments
    files = environment_files(context, change.desired, environment) if known else {}
    for path, content in sorted(environment_changes(change.tree, environment, files).items()):
        yield _problem(path, content, "environment")


def _problems(context: Context, change: Change, key: Key, present: list[str]) -> Iterator[Problem]:
    desired, tree = change.desired, change.tree
    placed = desired.releases.get(key)
    if key in desired.unreadable or (placed is not None and key[0] not in desired.environments):
        return
    files = release_files(context, desired, tree, key, placed.release if placed else None)
    for path in change.special:
        if release_of(path) == key:
            message = "is an executable, a symbolic link or a submodule"
            yield Problem(file=path, message=message, allowed="ordinary files (mode 100644)")
    for path, content in sorted(_changes(tree, present, files).items()):
        if place_of(path) is not None:
            continue
        yield _problem(path, content, "release")


def _problem(path: str, content: bytes | None, renders: str) -> Problem:
    if content is None:
        return Problem(file=path, message=f"no {renders} renders this file", allowed=RENDER)
    message = f"is not what the {renders} renders: rendered files are committed with it, and never by hand"
    return Problem(file=path, message=message, allowed=RENDER)
