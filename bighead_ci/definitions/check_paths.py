"""Problems of where files are: links, and definitions in places where nothing reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bighead_ci.definitions.files import Files, Place, place_of
from bighead_ci.documents.release import rendered_for
from bighead_ci.errors import Problem

_OUTPUT = re.compile(r"models/[^/]+/v[^/]+/(out/.+|dvc\.lock)", re.DOTALL)
PLACES = {
    "models": "models/<name>/v<N>/model.yaml",
    "features": "features/<name>/v<N>/feature_set.yaml, features/sources/<name>.yaml",
    "policies": "policies/<name>.yaml",
    "environments": "environments/<name>/environment.yaml, environments/<environment>/<model>.yaml",
}
"""Directory → where its definitions are."""
RENDERED = "environments/<environment>/rendered/<model>/, beside environments/<environment>/<model>.yaml"
"""Where files are that a platform renders."""


def path_problems(files: Files, paths: Iterable[str]) -> Iterator[Problem]:
    """What is wrong with the places of some files of the tree, whatever is in them."""
    for path in paths:
        folder = path.split("/", 1)[0]
        if folder not in PLACES or not files.has(path) or _is_data(path):
            continue
        if path in files.links:
            message = "symbolic links are not supported: put the file itself here"
            target = files.tree.read(path).decode(errors="replace")
            yield Problem(file=path, message=message, value=target)
        elif folder == "environments" and path.split("/")[2:3] == ["rendered"]:
            if not _has_release(files, path):
                yield Problem(file=path, message="no release renders files that are here", allowed=RENDERED)
        elif place_of(path) is None and path.endswith((".yaml", ".yml")):
            yield Problem(file=path, message="nothing reads a definition that is here", allowed=PLACES[folder])


def output_problems(files: Files, paths: Iterable[str]) -> Iterator[Problem]:
    """Of some paths of a commit, those that only stages leave: what a branch says of them never counts."""
    for path in paths:
        if _OUTPUT.fullmatch(path) and files.has(path):
            message = "stages leave this, and what a commit says of it never counts: git rm --cached it, and commit"
            yield Problem(file=path, message=message)


def _has_release(files: Files, path: str) -> bool:
    """Whether a file lies where a release's rendered files do. What is in it is judged where it can be rendered."""
    found = rendered_for(path)
    return found is not None and Place("release", found[1], found[0]) in files.places


def _is_data(path: str) -> bool:
    """Data of a source may be a link: DVC makes them, into its cache."""
    return path.startswith("features/sources/") and not path.endswith((".yaml", ".yml"))
