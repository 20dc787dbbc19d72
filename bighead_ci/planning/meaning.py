"""What definitions mean to those who use them: owner, description and unused columns left out. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import Any

from bighead_ci.definitions.files import Files, Place, name_problems
from bighead_ci.definitions.loading import absent
from bighead_ci.definitions.yaml_reader import parse
from bighead_ci.documents.definition import (
    FeatureSetDefinition,
    ModelDefinition,
    RequestField,
    SourceDefinition,
    VersionedFeatureSet,
    VersionedModel,
)
from bighead_ci.errors import InputError, Problem
from bighead_ci.features.meaning import meaning_digest
from bighead_ci.ports.tree import Tree

DATA_LOCK = "dvc.lock"
"""At the root: content digests of the sources' data."""
_NOBODY = "nobody"
"""Owner of a definition of which only the meaning counts."""


class Definitions:
    """The definitions of a tree by name, each found or refused with all that is wrong with it."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._snapshots: dict[str, str] | None = None

    def model(self, name: str, version: str) -> VersionedModel:
        """A model version with its run.

        Raises:
            InputError: it or its run.yaml has problems, or is not there.
        """
        place, definition = Place("model", name, version), self.files.model(name, version)
        if definition is None or name_problems(place):
            raise InputError(self._problems(place))
        run = self.files.run(name, version)
        if run is None:
            raise InputError(self.files.read_run(name, version).problems)
        return VersionedModel(name=name, version=version, definition=definition, run=run)

    def source(self, name: str) -> SourceDefinition:
        """A source.

        Raises:
            InputError: it has problems, or is not there.
        """
        source = self.files.source(name)
        if source is None:
            raise InputError(self._problems(Place("source", name)))
        return source

    def feature_set(self, identity: str) -> VersionedFeatureSet:
        """A feature set by `name/vN`, with its source.

        Raises:
            InputError: it or its source has problems, or is not there.
        """
        name, version = identity.split("/")
        place, definition = Place("feature-set", name, version), self.files.feature_set(identity)
        if definition is None or name_problems(place):
            raise InputError(self._problems(place))
        source = self.source(definition.source)
        return VersionedFeatureSet(name=name, version=version, definition=definition, source=source)

    def feature_set_meaning(self, identity: str) -> str | None:
        """Digest of what a feature set computes; None if it is missing or invalid."""
        try:
            return meaning_digest(self.feature_set(identity))
        except InputError:
            return None

    def rows(self, definition: ModelDefinition) -> dict[str, Any]:
        """What a model's own sources mean to it: only the columns it uses count."""
        wanted = {field.column or name for name, field in definition.request.items()} | {*definition.evaluation.slices}
        wanted |= {definition.group} if definition.group else set()
        wanted |= {definition.weights.column} if definition.weights and definition.weights.column else set()
        parts = [(definition.spine.source, wanted), (definition.label.source, {definition.label.column})]
        return {
            f"{index}:{name}": bare_source(self.source(name), columns).model_dump(mode="json", exclude={"path"})
            for index, (name, columns) in enumerate(parts)
        }

    def snapshot(self, source: str) -> str:
        """Content digest of a source's data in the root `dvc.lock`.

        Raises:
            InputError: the data was never snapshot.
        """
        if self._snapshots is None:
            self._snapshots = snapshots(self.files.tree)
        path = data_path(self.source(source))
        if path not in self._snapshots:
            message = "has no data snapshot: run `dvc repro` at the root and commit dvc.lock"
            raise InputError([Problem(file=DATA_LOCK, subject=path, message=message)])
        if self._snapshots[path].endswith(".dir"):
            message = "is a directory; a source is one Parquet file: let its stage write its rows into one file"
            raise InputError([Problem(file=DATA_LOCK, subject=path, message=message)])
        return self._snapshots[path]

    def _problems(self, place: Place) -> list[Problem]:
        found = self.files.read(place)
        return [*name_problems(place), *found.problems] if found else [absent(self.files, place)]


def bare_source(source: SourceDefinition, columns: Iterable[str]) -> SourceDefinition:
    """A source as it is to somebody who uses these columns of it."""
    used = {*columns, source.timestamp, source.event_id, source.known_at}
    return source.model_copy(
        update={
            "owner": _NOBODY,
            "description": "",
            "columns": {name: kind for name, kind in source.columns.items() if name in used},
            "sizes": {name: size for name, size in source.sizes.items() if name in used},
        }
    )


def bare_feature_set(feature_set: VersionedFeatureSet) -> VersionedFeatureSet:
    """A feature set as what it computes."""
    definition = feature_set.definition
    columns = {*definition.key, *(aggregation.column for aggregation in definition.aggregations)}
    bare: FeatureSetDefinition = definition.model_copy(update={"owner": _NOBODY, "description": ""})
    return feature_set.model_copy(update={"definition": bare, "source": bare_source(feature_set.source, columns)})


def bare_field(field: RequestField) -> RequestField:
    """A request field without what only readers see."""
    return field.model_copy(update={"description": "", "example": None})


def meaning(definition: ModelDefinition) -> dict[str, Any]:
    """A model definition without what changes no result: owner, description, and what it needs of a cluster."""
    return definition.model_dump(mode="json", exclude={"owner", "description", "resources"})


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
