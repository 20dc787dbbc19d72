"""Which commits a promotion brings: those of its own model version and of the features and sources it depends on."""

from __future__ import annotations

from bighead_ci.definitions.files import Files
from bighead_ci.delivery.main import Main
from bighead_ci.errors import InputError
from bighead_ci.planning.dependencies import dependency_paths
from bighead_ci.ports.repository import Commit, Repository

MOST = 20
"""Commits that a promotion lists."""


def commits_between(
    repository: Repository, main: Main, model: str, version: str, serves: str, will_serve: str
) -> list[Commit]:
    """Commits of main that made the version what it will be, and are not in what serves; newest first.

    A record is made on a pull request, so both commits are heads: they count from the merge that brought them to main.

    Args:
        repository: The shared repository.
        main: Main as it is.
        model: Which model.
        version: The version that comes in.
        serves: The commit whose record serves.
        will_serve: The commit whose record comes in.
    """
    paths = dependency_paths(Files(main.tree), model, version)
    end = _merge_of(repository, main, will_serve) or main.commit
    return repository.log(end, *paths, since=_merge_of(repository, main, serves), limit=MOST)


def _merge_of(repository: Repository, main: Main, head: str) -> str | None:
    """The commit of main that brought a head; None where main does not have it, as after a squashed merge."""
    try:
        return repository.first_containing(head, main.commit)
    except InputError:
        return None
