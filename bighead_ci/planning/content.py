"""The content key of a model version: same key, same result, so training, gates and report are reused. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

import yaml

from bighead_ci.definitions.files import Files, Place
from bighead_ci.definitions.loading import absent
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.definition import ModelDefinition, SourceDefinition, VersionedFeatureSet, VersionedModel
from bighead_ci.errors import InputError, Problem
from bighead_ci.features.naming import meaning_digest
from bighead_ci.ports.tree import Tree

UNKEYED = frozenset({"README.md", "dvc.lock", ".gitignore"})
"""Files of a model version that change no result: the card, and what runs write."""
DATA_LOCK = "dvc.lock"
"""At the root: content digests of the sources' data."""


def content_key(tree: Tree, model: VersionedModel, engine: str) -> str:
    """Digest of all that determines a model version's results: code, data, parameters, features, locks, engine.

    Args:
        tree: The files.
        model: A version in that tree.
        engine: Digest of the engine.

    Raises:
        InputError: a feature set or source it names is missing or invalid, or a source has no data snapshot.
    """
    return Content(Files(tree)).key(model, engine)


class Content:
    """What the parts of a tree mean, each worked out once."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._snapshots: dict[str, str] | None = None

    def key(self, model: VersionedModel, engine: str) -> str:
        """The content key of a model version of this tree."""
        definition = model.definition
        sets = {use.set: self._feature_set(use.set) for use in definition.features}
        sources = {definition.spine.source, definition.label.source, *(s.definition.source for s in sets.values())}
        return digest_of(
            {
                "version": model.id,
                "files": self.model_files(model.name, model.version),
                "model": meaning(definition),
                "features": {
                    identity: {
                        "meaning": meaning_digest(found),
                        "expectations": self.files.ids.get(f"{found.path}/expectations.yaml"),
                    }
                    for identity, found in sets.items()
                },
                "rows": self.rows(definition),
                "data": {name: self.snapshot(name) for name in sorted(sources)},
                "engine": engine,
            }
        )

    def model_files(self, name: str, version: str) -> dict[str, str]:
        """Blob ids of the version's files that determine its results, `model.yaml` excepted."""
        folder = f"models/{name}/{version}/"
        return {file: self.files.ids[folder + file] for file in self.files.under(folder) if _keyed(file)}

    def rows(self, definition: ModelDefinition) -> dict[str, Any]:
        """What the definition's own sources mean to it: only the columns it uses count."""
        wanted = {field.column or name for name, field in definition.request.items()} | {*definition.evaluation.slices}
        parts = [(definition.spine.source, wanted), (definition.label.source, {definition.label.column})]
        return {
            f"{index}:{name}": source_meaning(self._source(name), columns)
            for index, (name, columns) in enumerate(parts)
        }

    def feature_set_meaning(self, identity: str) -> str | None:
        """Digest of what a feature set computes; None if it is missing or invalid."""
        try:
            return meaning_digest(self._feature_set(identity))
        except InputError:
            return None

    def snapshot(self, source: str) -> str:
        """Content digest of a source's data, as DVC keeps it.

        Raises:
            InputError: the data was never snapshot.
        """
        if self._snapshots is None:
            self._snapshots = snapshots(self.files.tree)
        path = data_path(self._source(source))
        if path not in self._snapshots:
            message = "has no data snapshot: run `dvc repro` at the root and commit dvc.lock"
            raise InputError([Problem(DATA_LOCK, None, path, message, None, None)])
        return self._snapshots[path]

    def _source(self, name: str) -> SourceDefinition:
        source = self.files.source(name)
        if source is None:
            raise InputError(self._problems(Place("source", name)))
        return source

    def _feature_set(self, identity: str) -> VersionedFeatureSet:
        name, version = identity.split("/")
        definition = self.files.feature_set(identity)
        if definition is None:
            raise InputError(self._problems(Place("feature-set", name, version)))
        source = self._source(definition.source)
        return VersionedFeatureSet(name=name, version=version, definition=definition, source=source)

    def _problems(self, place: Place) -> list[Problem]:
        found = self.files.read(place)
        return found.problems if found else [absent(self.files, place)]


def meaning(definition: ModelDefinition) -> dict[str, Any]:
    """A model definition without what changes no result: owner and description."""
    return definition.model_dump(mode="json", exclude={"owner", "description"})


def source_meaning(source: SourceDefinition, columns: set[str]) -> dict[str, Any]:
    """What a source means to somebody who uses these columns of it."""
    used = {*columns, source.timestamp, source.event_id, source.known_at}
    return {
        "columns": {name: kind for name, kind in source.columns.items() if name in used},
        "sizes": {name: size for name, size in source.sizes.items() if name in used},
        "timestamp": source.timestamp,
        "event_id": source.event_id,
        "known_at": source.known_at,
    }


def data_path(source: SourceDefinition) -> str:
    """Where a source's data lies, relative to the repository."""
    return posixpath.normpath(f"features/sources/{source.path}")


def snapshots(tree: Tree) -> dict[str, str]:
    """Path → content digest of every output in the root `dvc.lock`; empty without one.

    Raises:
        InputError: the file is not what DVC writes.
    """
    try:
        locked = yaml.load(tree.read(DATA_LOCK), Loader=yaml.CSafeLoader)
    except KeyError:
        return {}
    except yaml.YAMLError as error:
        raise InputError([Problem(DATA_LOCK, None, "", f"not YAML: {str(error).splitlines()[0]}")]) from error
    stages = locked.get("stages", {}) if isinstance(locked, Mapping) else {}
    outs = [out for stage in stages.values() if isinstance(stage, Mapping) for out in stage.get("outs") or []]
    return {posixpath.normpath(out["path"]): str(out["md5"]) for out in outs if "path" in out and "md5" in out}


def _keyed(name: str) -> bool:
    parts = name.split("/")
    return name != "model.yaml" and parts[0] not in {*UNKEYED, "out", "__pycache__"}
