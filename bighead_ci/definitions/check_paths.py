"""Problems of where files are: links, outputs, and files in places where nothing reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property

from bighead_ci.definitions.check_sources import SOURCES
from bighead_ci.definitions.files import VERSION, Files, Kind, Place, next_version, place_of
from bighead_ci.definitions.shared_locks import is_in_directory
from bighead_ci.documents.release import environment_rendered_for, rendered_for
from bighead_ci.errors import Problem
from bighead_ci.words import closest

_OUTPUT = re.compile(r"models/[^/]+/v[^/]+/(out/.+|dvc\.lock)", re.DOTALL)
PLACES = {
    "models": "models/<name>/v<N>/",
    "features": "features/<name>/v<N>/feature_set.yaml and expectations.yaml, features/sources/<name>.yaml",
    "policies": "policies/<name>.yaml",
    "environments": "environments/<name>/environment.yaml, environments/<environment>/<model>.yaml",
}
"""Directory → where in it files are read."""
SOURCES_READ = (
    "features/sources/<name>.yaml, the data that one names, and files that a stage of the root dvc.yaml names"
)
RENDERED = "environments/<environment>/rendered/<model>/, beside environments/<environment>/<model>.yaml"
"""Where files are that a platform renders."""
FEATURE_SET_FILES = ("feature_set.yaml", "expectations.yaml")
"""What is read of a feature set's version."""
_FOR_PEOPLE = frozenset({"readme.md", ".gitignore", ".gitkeep", ".gitattributes"})
"""Names, in lower case, of files for people and for git, welcome anywhere."""


def path_problems(files: Files, paths: Iterable[str]) -> Iterator[Problem]:
    """What is wrong with the places of some files of the tree, whatever is in them."""
    reads = _Reads(files)
    for path in paths:
        folder = path.split("/", 1)[0]
        if folder not in PLACES or not files.has(path):
            continue
        if path in files.links and not _is_data(path):
            message = "symbolic links are not supported: put the file itself here"
            target = files.tree.read(path).decode(errors="replace")
            yield Problem(file=path, message=message, value=target)
        elif folder == "environments" and path.split("/")[2:3] == ["rendered"]:
            if not _is_rendered(files, path):
                yield Problem(file=path, message="no release renders files that are here", allowed=RENDERED)
        elif not reads.reads(path):
            allowed = SOURCES_READ if path.startswith(f"{SOURCES}/") else PLACES[folder]
            meant = _right_place(files, path)
            yield Problem(file=path, message="nothing reads this file", allowed=allowed, suggestion=meant)


class _Reads:
    """Which files of a tree somebody reads."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def reads(self, path: str) -> bool:
        if is_for_people(path) or path.endswith(".dvc") or is_in_directory(path):
            return True  # which shared locks somebody reads, `check_locks` says
        place = place_of(path)
        if place is None or place not in self._files.places:
            return path.startswith(f"{SOURCES}/") and (path in self._data or self._is_named(path))
        if place.kind == "feature-set":
            return path.removeprefix(f"{place.folder}/") in FEATURE_SET_FILES
        return True

    def _is_named(self, path: str) -> bool:
        """By the stages that make data; whether they can be read is for others to say."""
        return bool(self._files.pipeline.unreadable) or self._files.pipeline.names(path)

    @cached_property
    def _data(self) -> frozenset[str]:
        sources = (self._files.source(place.name) for place in self._files.places if place.kind == "source")
        return frozenset(f"{SOURCES}/{source.path}" for source in sources if source is not None)


def is_for_people(path: str) -> bool:
    """Whether a file is for people or for git, and so welcome anywhere."""
    return path.rpartition("/")[2].lower() in _FOR_PEOPLE


def _right_place(files: Files, path: str) -> str | None:
    """Where a file was probably meant to be, if nothing is there."""
    found = _meant(files, path.split("/"))
    return None if found is None or files.has(found) else found


def _meant(files: Files, parts: list[str]) -> str | None:  # noqa: PLR0911 - one answer a pattern
    name = parts[-1].removesuffix(".yml") + ".yaml" if parts[-1].endswith(".yml") else parts[-1]
    match [*parts[:-1], name]:
        case ["features", one, version, _] if one != "sources" and VERSION.fullmatch(version):
            near = closest(name, FEATURE_SET_FILES)
            return near and f"features/{one}/{version}/{near}"
        case ["features", one, "feature_set.yaml" | "expectations.yaml"] if one != "sources":
            return f"features/{one}/{_version(files, 'feature-set', one)}/{name}"
        case ["features", file] | ["features", "sources", file] if file.endswith(".yaml"):
            return f"features/sources/{file}"
        case ["models", one, file]:
            return f"models/{one}/{_version(files, 'model', one)}/{file}"
        case ["policies", *_, file] if file.endswith(".yaml"):
            return f"policies/{file}"
        case ["environments", file] if file.endswith(".yaml"):
            return f"environments/{file.removesuffix('.yaml')}/environment.yaml"
        case ["environments", one, file] if file.endswith(".yaml"):
            return f"environments/{one}/{file}"
    return None


def _version(files: Files, kind: Kind, name: str) -> str:
    """The latest version that there is; else the first."""
    number = int(next_version(files.places, kind, name)[1:]) - 1
    return f"v{number or 1}"


def output_problems(files: Files, paths: Iterable[str]) -> Iterator[Problem]:
    """Of some paths of a commit, those that only stages leave: what a branch says of them never counts."""
    for path in paths:
        if _OUTPUT.fullmatch(path) and files.has(path):
            message = "stages leave this, and what a commit says of it never counts: git rm --cached it, and commit"
            yield Problem(file=path, message=message)


def _is_rendered(files: Files, path: str) -> bool:
    """Whether a file lies where those do that a platform renders. What is in it is judged where it can be rendered."""
    environment, found = environment_rendered_for(path), rendered_for(path)
    if environment is not None:
        return Place("environment", environment) in files.places
    return found is not None and Place("release", found[1], found[0]) in files.places


def _is_data(path: str) -> bool:
    """Data of a source may be a link: DVC makes them, into its cache."""
    return path.startswith(f"{SOURCES}/") and not path.endswith((".yaml", ".yml"))
