"""The files of a release: the one that says what serves, and whatever its platform renders, committed together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from bighead_ci.definitions.files import place_of
from bighead_ci.definitions.release_file import render_release
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired
from bighead_ci.delivery.proposal import Change
from bighead_ci.documents.release import PlacedRelease, Release, rendered_directory, rendered_for
from bighead_ci.errors import Problem
from bighead_ci.ports.tree import Tree

Key = tuple[str, str]
"""(environment, model)"""


def release_files(
    context: Context, desired: Desired, environment: str, model: str, release: Release | None
) -> dict[str, bytes]:
    """Every file that says what serves a model in an environment: path → content; none without a release.

    Raises:
        InputError: there is no such environment, or its file has problems.
    """
    if release is None:
        return {}
    placed = PlacedRelease(environment=environment, model=model, release=release)
    rendered = context.platform(environment, desired.environment(environment)).render(placed)
    directory = rendered_directory(environment, model)
    return {
        placed.path: render_release(release).encode(),
        **{f"{directory}/{name}": content for name, content in sorted(rendered.items())},
    }


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
    environments = {environment for environment, _ in changed} | redefined
    present = _present(change.tree, environments) if environments else defaultdict(list)
    concerned = changed | {key for key in present if key[0] in redefined}
    return [found for key in sorted(concerned) for found in _problems(context, change, key, present[key])]


def _problems(context: Context, change: Change, key: Key, present: list[str]) -> Iterator[Problem]:
    desired, tree = change.desired, change.tree
    placed = desired.releases.get(key)
    if key in desired.unreadable or (placed is not None and key[0] not in desired.environments):
        return
    files = release_files(context, desired, *key, placed.release if placed else None)
    for path in change.special:
        if release_of(path) == key:
            message = "is an executable, a symbolic link or a submodule"
            yield Problem(file=path, message=message, allowed="ordinary files (mode 100644)")
    for path, content in sorted(_changes(tree, present, files).items()):
        if place_of(path) is not None:
            continue
        if content is None:
            yield Problem(file=path, message="no release renders this file")
        else:
            message = "is not what the release renders: rendered files are committed with it, and never by hand"
            yield Problem(file=path, message=message)
