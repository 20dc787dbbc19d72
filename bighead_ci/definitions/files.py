"""The authored files of one tree: where each kind lives, read once each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from bighead_ci.definitions.data_pipeline import DataPipeline
from bighead_ci.definitions.gate_file import GateFile
from bighead_ci.definitions.shared_locks import WholeLock, read_lock
from bighead_ci.definitions.validation import validate
from bighead_ci.definitions.yaml_reader import Parsed
from bighead_ci.documents.base import Document
from bighead_ci.documents.definition import FeatureSetDefinition, ModelDefinition, RunDefinition, SourceDefinition
from bighead_ci.documents.environment import EnvironmentDefinition
from bighead_ci.documents.release import Release, release_path
from bighead_ci.errors import InputError, Problem
from bighead_ci.ports.tree import Tree
from bighead_ci.tasks.registry import TASKS
from bighead_ci.words import closest

Kind = Literal["source", "feature-set", "model", "environment", "release", "gate"]
VERSIONED: frozenset[Kind] = frozenset({"feature-set", "model"})
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
VERSION = re.compile(r"v[1-9][0-9]{0,5}")
_LIKE_VERSION = re.compile(r"(?:v|version)?[ _-]?0*([1-9][0-9]{0,5})", re.IGNORECASE)
TAKEN: dict[tuple[Kind, str], str] = {
    ("model", "environment"): "its releases would lie where an environment's definition is",
    ("feature-set", "sources"): "its versions would lie where the sources are",
}
"""Names whose files would lie in the place of others."""
RUN = "run.yaml"
"""Of a model version, if a run needs a moment or data of its own."""
LOCKS = ("training.lock", "serving.lock")
"""Of a model version: what its code is trained with, and what answers."""
MODEL_FILES = (
    "model.yaml",
    "model.py",
    *LOCKS,
    "README.md",
    "golden_rows.json",
    "expectations.yaml",
    "dvc.yaml",
)
"""What every model version has."""


@dataclass(frozen=True, order=True)
class Place:
    """One authored thing: its kind, its name, and its version or environment."""

    kind: Kind
    name: str
    of: str = ""
    """Version of a model or feature set; environment of a release."""

    @property
    def file(self) -> str:
        """Its YAML file."""
        return {
            "source": f"features/sources/{self.name}.yaml",
            "feature-set": f"features/{self.name}/{self.of}/feature_set.yaml",
            "model": f"models/{self.name}/{self.of}/model.yaml",
            "environment": f"environments/{self.name}/environment.yaml",
            "release": release_path(self.of, self.name),
            "gate": f"policies/{self.name}.yaml",
        }[self.kind]

    @property
    def folder(self) -> str:
        """The directory of its YAML file."""
        return self.file.rsplit("/", 1)[0]


def place_of(path: str) -> Place | None:  # noqa: PLR0911 - one answer a pattern
    """The authored thing that a file is part of; None for any other file. Names are not checked here."""
    match path.split("/"):
        case ["features", "sources", file] if file.endswith(".yaml"):
            return Place("source", file.removesuffix(".yaml"))
        case ["features", "sources", *_]:
            return None
        case ["features", name, version, _, *_]:
            return Place("feature-set", name, version)
        case ["models", name, version, _, *_]:
            return Place("model", name, version)
        case ["policies", file] if file.endswith(".yaml"):
            return Place("gate", file.removesuffix(".yaml"))
        case ["environments", name, "environment.yaml"]:
            return Place("environment", name)
        case ["environments", environment, file] if file.endswith(".yaml"):
            return Place("release", file.removesuffix(".yaml"), environment)
    return None


def name_problems(place: Place) -> list[Problem]:
    """What is wrong with the names of a thing's directory and file."""
    problems = []
    if not NAME.fullmatch(place.name):
        rule = "lower-case letters, digits and _, starting with a letter, at most 63"
        problems.append(
            Problem(
                file=place.file,
                message="the name is not written as it must be",
                value=place.name,
                allowed=rule,
                suggestion=_as_name(place.name),
            )
        )
    if (taken := TAKEN.get((place.kind, place.name))) is not None:
        problems.append(Problem(file=place.file, message=taken, value=place.name, allowed="another name"))
    if place.kind in VERSIONED and not VERSION.fullmatch(place.of):
        message = "a version's directory must be v and a number"
        meant = _LIKE_VERSION.fullmatch(place.of)
        suggestion = f"v{meant[1]}" if meant else None
        problems.append(
            Problem(file=place.file, message=message, value=place.of, allowed="v1, v2, …", suggestion=suggestion)
        )
    return problems


def _as_name(text: str) -> str | None:
    found = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")
    return found if NAME.fullmatch(found) else None


@dataclass
class Read:
    """One file as read: the document (None if it has problems), its positions, its problems."""

    document: Document | None
    parsed: Parsed | None
    problems: list[Problem] = field(default_factory=list)

    def problem(
        self,
        file: str,
        location: Iterable[str | int],
        message: str,
        value: str | None = None,
        known: Iterable[str] = (),
        *,
        wanted: str | None = None,
    ) -> Problem:
        """A problem at a place of this file; `known` are the names that would be right, `wanted` says it in words."""
        steps, names = tuple(location), sorted(known)
        allowed = (", ".join(names) if names else None) if wanted is None else wanted
        suggestion = closest(value, names) if value is not None and names else None
        line = self.parsed.line(steps) if self.parsed else None
        return Problem(
            file=file,
            line=line,
            subject=".".join(map(str, steps)),
            message=message,
            value=value,
            allowed=allowed,
            suggestion=suggestion,
        )


def _with_known_task(place: Place, read: Read) -> Read:
    """Tasks are a registry's, so that no schema lists them; whoever reads a model is told of one that is none."""
    definition = read.document
    if not isinstance(definition, ModelDefinition) or definition.task in TASKS:
        return read
    problem = read.problem(place.file, ("task",), "there is no such task", definition.task, TASKS)
    return Read(None, read.parsed, [problem])


def next_version(places: Iterable[Place], kind: Kind, name: str) -> str:
    """The version after the highest there is: `v1` for a new name."""
    numbers = [int(p.of[1:]) for p in places if p.kind == kind and p.name == name and p.of[1:].isdigit()]
    return f"v{max(numbers, default=0) + 1}"


class Files:
    """Reads authored files of a tree, each at most once."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._read: dict[Place, Read | None] = {}
        self._runs: dict[str, Read] = {}
        self._locks: dict[str, WholeLock] = {}

    @cached_property
    def ids(self) -> Mapping[str, str]:
        """Every path → content id."""
        return self.tree.files()

    @cached_property
    def places(self) -> frozenset[Place]:
        """Everything authored in the tree.

        A directory is a version's by its name, or by the definition in it, which is then to be called otherwise: what
        lies in `models/late/notes/` makes no model version called `notes`.
        """
        return frozenset(place for place in map(place_of, self.ids) if place is not None and self._is_one(place))

    def _is_one(self, place: Place) -> bool:
        return place.kind not in VERSIONED or VERSION.fullmatch(place.of) is not None or self.has(place.file)

    def read(self, place: Place) -> Read | None:
        """One authored file; None when the tree has no such file."""
        if place not in self._read:
            try:
                raw = self.tree.read(place.file)
            except KeyError:
                self._read[place] = None
            else:
                self._read[place] = _with_known_task(place, Read(*validate(place.kind, place.file, raw)))
        return self._read[place]

    def source(self, name: str) -> SourceDefinition | None:
        """A source, if it is there and valid."""
        found = self.read(Place("source", name))
        return found.document if found and isinstance(found.document, SourceDefinition) else None

    def feature_set(self, identity: str) -> FeatureSetDefinition | None:
        """A feature set by `name/vN`, if it is there and valid."""
        name, version = identity.split("/")
        found = self.read(Place("feature-set", name, version))
        return found.document if found and isinstance(found.document, FeatureSetDefinition) else None

    def model(self, name: str, version: str) -> ModelDefinition | None:
        """A model version, if it is there and valid."""
        found = self.read(Place("model", name, version))
        return found.document if found and isinstance(found.document, ModelDefinition) else None

    def read_run(self, name: str, version: str) -> Read:
        """The `run.yaml` of a model version; without the file, a run that asks for nothing."""
        path = f"models/{name}/{version}/{RUN}"
        if path not in self._runs:
            try:
                raw = self.tree.read(path)
            except KeyError:
                self._runs[path] = Read(RunDefinition(), None)
            else:
                self._runs[path] = Read(*validate("run", path, raw))
        return self._runs[path]

    def run(self, name: str, version: str) -> RunDefinition | None:
        """What a run of a model version is made of beside its definition; None if that cannot be read."""
        found = self.read_run(name, version).document
        return found if isinstance(found, RunDefinition) else None

    def environment(self, name: str) -> EnvironmentDefinition | None:
        """An environment, if it is there and valid."""
        found = self.read(Place("environment", name))
        return found.document if found and isinstance(found.document, EnvironmentDefinition) else None

    def release(self, environment: str, model: str) -> Release | None:
        """A release, if it is there and valid."""
        found = self.read(Place("release", model, environment))
        return found.document if found and isinstance(found.document, Release) else None

    def gate(self, name: str) -> GateFile | None:
        """A gate's file, if it is there and valid."""
        found = self.read(Place("gate", name))
        return found.document if found and isinstance(found.document, GateFile) else None

    @cached_property
    def pipeline(self) -> DataPipeline:
        """The stages that make the data of sources."""
        return DataPipeline(self.tree)

    def lock(self, path: str) -> WholeLock:
        """A lock of a model version with what it shares, whatever is wrong with it.

        Raises:
            KeyError: the tree has no such file.
        """
        if path not in self._locks:
            self._locks[path] = read_lock(self.tree, path)
        return self._locks[path]

    def valid_lock(self, path: str) -> WholeLock:
        """A lock of a model version with what it shares.

        Raises:
            InputError: it is not there, or has problems.
        """
        try:
            found = self.lock(path)
        except KeyError:
            raise InputError([Problem(file=path, message="every model version has this file")]) from None
        if found.problems:
            raise InputError(found.problems)
        return found

    def names(self, kind: Kind) -> list[str]:
        """Names of a kind; with its version for feature sets and models."""
        found = {f"{p.name}/{p.of}" if kind in VERSIONED else p.name for p in self.places if p.kind == kind}
        return sorted(found)

    @cached_property
    def _folders(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.ids:
            *folder, name = path.split("/", 3)
            found.setdefault("/".join([*folder, ""]), []).append(name)
        return found

    def under(self, folder: str) -> list[str]:
        """Names of the files below a version's directory (`models/x/v1/`), relative to it, sorted."""
        return sorted(self._folders.get(folder, []))

    @cached_property
    def links(self) -> frozenset[str]:
        """Paths that are symbolic links."""
        return frozenset(self.tree.links())

    def has(self, path: str) -> bool:
        """Whether the tree has a file."""
        return path in self.ids


def read_golden_rows(tree: Tree, folder: str) -> tuple[Any, list[Problem]]:
    """The authored golden rows of a model version."""
    file = f"{folder}/golden_rows.json"
    try:
        found = json.loads(tree.read(file))
        json.dumps(found, ensure_ascii=False).encode()
    except KeyError:
        return None, [Problem(file=file, message="there is no such file")]
    except UnicodeEncodeError:
        message = "holds half of a surrogate pair (\\ud800 to \\udfff), which is no text"
        return None, [Problem(file=file, message=message)]
    except (ValueError, RecursionError) as error:
        return None, [Problem(file=file, line=getattr(error, "lineno", None), message=f"not JSON: {error}")]
    return found, []
