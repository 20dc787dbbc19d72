"""Where a stage works: a model version in a checkout, its definitions, and the files that stages leave."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bighead_ci.definitions.loading import load_feature_set, load_model, load_source
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.documents.definition import FeatureSchema, SourceDefinition, VersionedFeatureSet, VersionedModel
from bighead_ci.errors import InputError
from bighead_ci.features.naming import full_name, use_schema, used_features
from bighead_ci.ports.tree import Tree

PATH_PARTS = 3
"""Of a model version's directory: `models`, its name, its version."""


@dataclass(frozen=True)
class StagePlace:
    """One model version in one checkout."""

    checkout: Path
    directory: str
    """`models/flight_delay/v2`, relative to the checkout."""

    def __post_init__(self) -> None:
        parts = self.directory.split("/")
        if len(parts) != PATH_PARTS or parts[0] != "models" or not (self.checkout / self.directory).is_dir():
            raise InputError(
                f"{self.directory!r} is no model version in {self.checkout}; expected models/<name>/v<N>, "
                "relative to the repository"
            )

    @cached_property
    def tree(self) -> Tree:
        """The checkout's files."""
        return DirectoryTree(self.checkout)

    @cached_property
    def model(self) -> VersionedModel:
        """The model version."""
        _, name, version = self.directory.split("/")
        return load_model(self.tree, name, version)

    @cached_property
    def feature_sets(self) -> list[VersionedFeatureSet]:
        """The feature sets it uses, in its order."""
        return used_sets(self.tree, self.model)

    @cached_property
    def inputs(self) -> list[ArtifactInput]:
        """The estimator's inputs in order: request inputs, then features."""
        return estimator_inputs(self.model, self.feature_sets)

    @property
    def path(self) -> Path:
        """The version's directory."""
        return self.checkout / self.directory

    @property
    def out(self) -> Path:
        """Where stages leave their files."""
        return self.path / "out"

    def sources(self) -> dict[str, tuple[SourceDefinition, Path]]:
        """The sources that the training set is made of: definition and Parquet file."""
        folder = self.checkout / "features" / "sources"
        definitions = used_sources(self.tree, self.model, self.feature_sets)
        return {name: (source, folder / source.path) for name, source in definitions.items()}


def used_sets(tree: Tree, model: VersionedModel) -> list[VersionedFeatureSet]:
    """The feature sets a model uses, in its order."""
    names = [use.set.split("/") for use in model.definition.features]
    return [load_feature_set(tree, name, version) for name, version in names]


def used_sources(tree: Tree, model: VersionedModel, sets: list[VersionedFeatureSet]) -> dict[str, SourceDefinition]:
    """The sources of spine, label and feature sets, by name."""
    names = {model.definition.spine.source, model.definition.label.source, *(s.definition.source for s in sets)}
    return {name: load_source(tree, name) for name in sorted(names)}


def estimator_inputs(model: VersionedModel, sets: list[VersionedFeatureSet]) -> list[ArtifactInput]:
    """The columns that the estimator sees, in order.

    Raises:
        InputError: a field or feature is a timestamp, which estimators cannot take as it is.
    """
    inputs = [
        ArtifactInput(name=name, type=field.type, size=field.size)
        for name, field in model.definition.request.items()
        if field.use == "input"
    ]
    for use, feature_set in zip(model.definition.features, sets, strict=True):
        inputs += [
            ArtifactInput(name=full_name(feature_set.name, feature.name), type=feature.type)
            for feature in used_features(feature_set, use.columns)
        ]
    times = [item.name for item in inputs if item.type == "timestamp"]
    if times:
        raise InputError(
            f"{model.path}/model.yaml: an estimator cannot take a timestamp as input: {', '.join(times)}; "
            "use: lookup, or send hour, weekday and the like"
        )
    return inputs


def feature_schemas(model: VersionedModel, sets: list[VersionedFeatureSet]) -> list[FeatureSchema]:
    """What the artifact expects of each feature set."""
    return [use_schema(feature_set, use) for use, feature_set in zip(model.definition.features, sets, strict=True)]


def feature_keys(model: VersionedModel, sets: list[VersionedFeatureSet]) -> dict[str, dict[str, str]]:
    """Feature set id → key column → request field that holds it."""
    return {
        feature_set.id: {key: use.keys.get(key, key) for key in feature_set.definition.key}
        for use, feature_set in zip(model.definition.features, sets, strict=True)
    }
