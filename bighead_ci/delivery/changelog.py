"""Which commits a promotion brings: those of its own model version and of the features and sources it depends on."""

from __future__ import annotations

from collections.abc import Iterator

from bighead_ci.definitions.files import Files
from bighead_ci.delivery.main import Main
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.errors import InputError
from bighead_ci.planning.dependencies import dependency_paths
from bighead_ci.ports.forge import Forge
from bighead_ci.ports.repository import Commit, Repository

MOST = 20
"""Commits that a promotion lists."""
PAGE = 100
"""Pull requests that are asked for at once."""


def commits_between(
    repository: Repository, forge: Forge, main: Main, model: str, version: str, serves: str, will_serve: str
) -> list[Commit]:
    """Commits of main that made the version what it will be, and are not in what serves; newest first.

    A record is made on a pull request, so both commits are heads: they count from the merge that brought them to main.

    Args:
        repository: The shared repository.
        forge: What merged the pull requests.
        main: Main as it is.
        model: Which model.
        version: The version that comes in.
        serves: The commit whose record serves.
        will_serve: The commit whose record comes in.
    """
    paths = dependency_paths(Files(main.tree), model, version)
    end = _merge_of(repository, forge, main, will_serve) or main.commit
    return repository.log(end, *paths, since=_merge_of(repository, forge, main, serves), limit=MOST)


def _merge_of(repository: Repository, forge: Forge, main: Main, head: str) -> str | None:
    """The commit of main that brought a head; None where nothing tells.

    Main's history tells, unless the forge squashes or rebases: then main has no commit of the branch, and the pull
    request tells what became of it.
    """
    try:
        return repository.first_containing(head, main.commit)
    except InputError:
        return _merge_of_its_pull_request(repository, forge, main, head)


def _merge_of_its_pull_request(repository: Repository, forge: Forge, main: Main, head: str) -> str | None:
    """What the pull request of a head was merged as: that whose head it is, or else the first that has it.

    The head may have moved on after the record was made, and a later branch may stand on this one.
    """
    line = _since_it_began(repository, main, head)
    merges: dict[str, PullRequestSummary] = {}
    for pull in _merged(forge) if line else ():
        if pull.target == main.branch and pull.merge_commit in line:
            if pull.head == head:
                return pull.merge_commit
            merges[pull.merge_commit] = pull
            if len(merges) == len(line):
                break
    return next((c for c in reversed(line) if c in merges and _contains(repository, merges[c].head, head)), None)


def _since_it_began(repository: Repository, main: Main, head: str) -> list[str]:
    """Commits of main since the branch of a head began, newest first: one of them brought it, if any did."""
    try:
        base = repository.merge_base(head, main.commit)
    except InputError:
        base = None  # the repository no longer has the branch
    return [commit.id for commit in repository.log(main.commit, since=base)]


def _merged(forge: Forge) -> Iterator[PullRequestSummary]:
    before: int | None = None
    while page := forge.find("merged", before=before, limit=PAGE):
        yield from page
        before = page[-1].number


def _contains(repository: Repository, commit: str, head: str) -> bool:
    try:
        return repository.merge_base(commit, head) == head
    except InputError:
        return False
