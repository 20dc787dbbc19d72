"""Brings the rendered files of a tree to what its releases and environments say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bighead_ci.definitions.files import place_of
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired, read_desired
from bighead_ci.delivery.release_files import (
    changes_to,
    environment_changes,
    environment_files,
    release_files,
    release_of,
)
from bighead_ci.delivery.release_reader import ReleaseReader
from bighead_ci.documents.base import CommitId
from bighead_ci.documents.release import release_path
from bighead_ci.errors import InputError
from bighead_ci.ports.tree import Tree

NO_COMMIT: CommitId = "0" * 40
"""Of a tree that is in none yet."""


def outdated_files(context: Context, tree: Tree) -> dict[str, bytes | None]:
    """What makes a tree hold just what its releases and environments render: path → content, None where one has to go.

    Release files themselves may be worded by hand, and stay.

    Raises:
        InputError: an environment, a release or a version that one names has problems: all of them.
    """
    desired = _desired(tree)
    changes: dict[str, bytes | None] = {}
    for name in desired.environments:
        changes |= environment_changes(tree, name, environment_files(context, desired, name))
    present = {key for path in tree.files() if (key := release_of(path))}
    for key in sorted(present | desired.releases.keys()):
        placed = desired.releases.get(key)
        files = release_files(context, desired, tree, key, placed.release if placed else None)
        changes |= {path: data for path, data in changes_to(tree, key, files).items() if place_of(path) is None}
    return changes


def _desired(tree: Tree) -> Desired:
    """What a tree says, if all of it can be read."""
    paths = {identity: path for path, identity in tree.files().items()}

    def blobs(identities: Iterable[str]) -> Mapping[str, bytes]:
        return {one: tree.read(paths[one]) for one in identities if one in paths}

    desired = read_desired(tree, NO_COMMIT, ReleaseReader(blobs))
    unreadable = {f"environments/{name}/environment.yaml": e for name, e in desired.unreadable_environments.items()}
    unreadable |= {release_path(*key): error for key, error in desired.unreadable.items()}
    if problems := [problem for file, error in unreadable.items() for problem in error.placed(file)]:
        raise InputError(problems)
    return desired
