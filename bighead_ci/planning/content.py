"""The content key of a model version: same key, same result, so training, gates and report are reused. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

from bighead_ci.definitions.files import Files, Place, name_problems
from bighead_ci.definitions.loading import absent
from bighead_ci.definitions.yaml_reader import parse
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.definition import ModelDefinition, SourceDefinition, VersionedFeatureSet, VersionedModel
from bighead_ci.errors import InputError, Problem
from bighead_ci.features.naming import meaning_digest
from bighead_ci.ports.tree import Tree

UNKEYED = frozenset({"README.md", "dvc.yaml", "dvc.lock", ".gitignore"})
"""Files of a model version that change no result: the card, what is generated from keyed files, what runs write."""
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
        place = Place("feature-set", name, version)
        if definition is None:
            raise InputError(self._problems(place))
        if problems := name_problems(place):
            raise InputError(problems)
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
        parsed, problems = parse(DATA_LOCK, tree.read(DATA_LOCK))
    except KeyError:
        return {}
    if parsed is None or problems:
        raise InputError(problems)
    found: dict[str, str] = {}
    for out in _outs(parsed.data):
        path, digest = out.get("path"), out.get("md5")
        if isinstance(path, str) and isinstance(digest, str | int):
            found[posixpath.normpath(path)] = str(digest)
    return found


def _outs(locked: Any) -> Iterator[dict[str, Any]]:
    """The outputs of every stage, passing over what is not as DVC writes it."""
    stages = locked.get("stages") if isinstance(locked, dict) else None
    for stage in stages.values() if isinstance(stages, dict) else ():
        outs = stage.get("outs") if isinstance(stage, dict) else None
        yield from (out for out in (outs if isinstance(outs, list) else ()) if isinstance(out, dict))


def _keyed(name: str) -> bool:
    parts = name.split("/")
    return name != "model.yaml" and parts[0] not in {*UNKEYED, "out", "__pycache__"}
