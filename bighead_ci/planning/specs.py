"""From the definitions of a model version to what each of its stages is told. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from bighead_ci.definitions.check_models import INSTEAD, NO_TIMESTAMP
from bighead_ci.definitions.check_runs import moment_wanted
from bighead_ci.definitions.expectations_file import load_expectations
from bighead_ci.definitions.files import LOCKS, RUN, Files
from bighead_ci.definitions.loading import load_golden_rows
from bighead_ci.definitions.lock_file import packages
from bighead_ci.definitions.tree import IGNORED
from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.documents.definition import (
    FeatureSchema,
    FeatureUse,
    HashSplit,
    ModelDefinition,
    SourceDefinition,
    TimeSplit,
    TimeValidation,
    VersionedFeatureSet,
    VersionedModel,
    duration,
)
from bighead_ci.documents.expectation import Expectation
from bighead_ci.documents.stage import (
    EvaluateSpec,
    PackageSpec,
    QualitySpec,
    RecordSpec,
    SourceData,
    StageSpec,
    Suite,
    TimeRanges,
    TrainingSetSpec,
    TrainSpec,
)
from bighead_ci.errors import InputError, Problem
from bighead_ci.features.meaning import features_of, use_schema, used_features
from bighead_ci.features.naming import full_name
from bighead_ci.planning.meaning import Definitions, bare_feature_set, bare_field, bare_source, data_path
from bighead_ci.planning.stages import LOCK_OF, Stage

CARD = "README.md"
UNREAD = frozenset({CARD, "dvc.yaml", "dvc.lock", ".gitignore"})
"""Files of a version that nothing reads: the card, what is generated, what runs write."""
_NOT_CODE = UNREAD | {"model.yaml", RUN, "expectations.yaml", *LOCKS}
"""Files that the engine reads; all others are its authors' code and what that code may read."""
EARLIER_DATA = ".bighead/data"
"""Where data that a run.yaml names by digest is put in a checkout."""


def stage_specs(definitions: Definitions, model: VersionedModel) -> dict[str, StageSpec]:
    """Stage → what it is told.

    Raises:
        InputError: a feature set, a source, its data, the expectations, golden rows or a lock is missing or has
            problems.
    """
    sets = [definitions.feature_set(use.set) for use in model.definition.features]
    may_answer = model.definition.serving.kind != "compiled"
    code = code_names(definitions.files, model) if may_answer else []
    return {
        "training-set": _training_set(definitions, model, sets),
        "quality": _quality(definitions, model, sets),
        "train": _train(definitions, model, sets),
        "evaluate": EvaluateSpec(
            model=model.name,
            version=model.version,
            evaluation=model.definition.evaluation,
            code=code,
        ),
        "package": PackageSpec(model=model.name, version=model.version, code=code),
        "record": _record(definitions, model, sets),
    }


def _training_set(
    definitions: Definitions, model: VersionedModel, sets: Sequence[VersionedFeatureSet]
) -> TrainingSetSpec:
    definition = model.definition
    wanted = {field.column or name for name, field in definition.request.items()}
    wanted |= {_spine_column(definition, name) for name in definition.evaluation.slices}
    weight = definition.weights.column if definition.weights else None
    columns = {definition.spine.source: wanted | {one for one in (weight, definition.group) if one}}
    columns.setdefault(definition.label.source, set()).add(definition.label.column)
    sources = {name: definitions.source(name) for name in used_sources(definitions, model)}
    return TrainingSetSpec(
        model=model.name,
        version=model.version,
        spine=definition.spine.source,
        label=definition.label.model_copy(update={"positive": None}),
        split=resolved_split(model),
        weight=weight,
        group=definition.group,
        as_of=model.run.as_of,
        request={name: bare_field(field) for name, field in definition.request.items()},
        slices=definition.evaluation.slices,
        features=definition.features,
        sets=[bare_feature_set(one) for one in sets],
        sources={name: bare_source(sources[name], columns[name]) for name in sorted(columns)},
        data=_all_data(definitions, model, sources),
    )


def _spine_column(definition: ModelDefinition, name: str) -> str:
    """The spine's column behind a request field, or behind a slice that is no request field."""
    field = definition.request.get(name)
    return name if field is None or field.column is None else field.column


def used_sources(definitions: Definitions, model: VersionedModel) -> list[str]:
    """Sources of the spine, the label and the feature sets, sorted.

    Raises:
        InputError: a feature set is missing or has problems.
    """
    definition = model.definition
    sets = [definitions.feature_set(use.set) for use in definition.features]
    return sorted({definition.spine.source, definition.label.source, *(one.definition.source for one in sets)})


def _all_data(
    definitions: Definitions, model: VersionedModel, sources: Mapping[str, SourceDefinition]
) -> dict[str, SourceData]:
    """Source → its data, which is one and the same for all sources that lie in one file."""
    found = {name: _data(definitions, model, name, source) for name, source in sources.items()}
    digests = {data.path: data.digest for data in found.values()}
    if wrong := sorted(name for name, data in found.items() if data.digest != digests[data.path]):
        message = "other sources of this version lie in the same file, and take other data of it"
        file = f"{model.path}/{RUN}"
        raise InputError(Problem(file=file, line=None, subject=f"data.{name}", message=message) for name in wrong)
    return found


def _data(definitions: Definitions, model: VersionedModel, name: str, source: SourceDefinition) -> SourceData:
    chosen = model.run.data.get(name)
    return data_file(model, name, source, digest=chosen or definitions.snapshot(name))


def data_file(model: VersionedModel, name: str, source: SourceDefinition, *, digest: str) -> SourceData:
    """Where a version finds a source's data: beside the source, or where data of an earlier day is put for this run."""
    path, chosen = data_path(source), model.run.data.get(name)
    file = f"{EARLIER_DATA}/{chosen}/{posixpath.basename(path)}" if chosen else path
    return SourceData(path=path, digest=digest, file=file)


def resolved_split(model: VersionedModel) -> TimeRanges | HashSplit:
    """The split with its ranges as moments.

    Raises:
        InputError: a split that moves with `as_of` has none.
    """
    split = model.definition.split
    if isinstance(split, HashSplit):
        return split
    if isinstance(split, TimeSplit):
        return TimeRanges(train=(split.train[0], split.train[1]), evaluate=(split.evaluate[0], split.evaluate[1]))
    end = _mature_until(model)
    middle = end - duration(split.evaluate)
    return TimeRanges(train=(middle - duration(split.train), middle), evaluate=(middle, end))


def _mature_until(model: VersionedModel) -> datetime:
    """The moment from which on no row's label is mature at `as_of`."""
    if model.run.as_of is None:
        file, message = f"{model.path}/{RUN}", "as_of is required: a split by time needs time"
        raise InputError([Problem(file=file, subject="as_of", message=message, allowed=moment_wanted(model.id))])
    offset = model.definition.label.offset
    return model.run.as_of - duration(offset) if offset else model.run.as_of


def _quality(definitions: Definitions, model: VersionedModel, sets: Sequence[VersionedFeatureSet]) -> QualitySpec:
    tree = definitions.files.tree
    own = load_expectations(tree, model.path)
    suites = [Suite(name=model.path, columns=None, expectations=own)] if own else []
    for use, feature_set in zip(model.definition.features, sets, strict=True):
        suite = _suite(load_expectations(tree, feature_set.path), use, feature_set)
        suites += [suite] if suite.expectations else []
    return QualitySpec(model=model.name, version=model.version, suites=suites)


def _suite(expectations: list[Expectation], use: FeatureUse, feature_set: VersionedFeatureSet) -> Suite:
    """A set names its columns without its own name; what the model does not take of it cannot be checked here."""
    taken = [feature.name for feature in used_features(feature_set, use.columns)]
    absent = {feature.name for feature in features_of(feature_set)} - set(taken) | set(feature_set.source.columns)
    asked = [one.without_prefix(feature_set.name) for one in expectations]
    return Suite(
        name=feature_set.path,
        columns={full_name(feature_set.name, name): name for name in taken},
        expectations=[one for one in asked if absent.isdisjoint(one.columns.values())],
    )


def _train(definitions: Definitions, model: VersionedModel, sets: Sequence[VersionedFeatureSet]) -> TrainSpec:
    definition = model.definition
    inputs = estimator_inputs(model, sets)
    return TrainSpec(
        model=model.name,
        version=model.version,
        target=model.target,
        parameters=definition.parameters,
        inputs=inputs,
        request=definition.request,
        features=feature_schemas(model, sets),
        feature_keys={
            one.id: {key: use.keys.get(key, key) for key in one.definition.key}
            for use, one in zip(definition.features, sets, strict=True)
        },
        golden_rows=_golden_rows(definitions, model, inputs),
        code=code_names(definitions.files, model),
        weights=definition.weights,
        validation=definition.validation,
        trained_until=_trained_until(model),
        trusted_types=definition.serving.trusted_types,
        details=definition.serving.details,
    )


def _trained_until(model: VersionedModel) -> datetime | None:
    """Only for who needs it: it moves with every run."""
    if not isinstance(model.definition.validation, TimeValidation):
        return None
    split = resolved_split(model)
    return split.train[1] if isinstance(split, TimeRanges) else None


def code_names(files: Files, model: VersionedModel) -> list[str]:
    """The same as `code_files`, relative to the version's directory."""
    return [path.removeprefix(f"{model.path}/") for path in code_files(files, model)]


def code_files(files: Files, model: VersionedModel) -> list[str]:
    """Paths of what a version's code is, or could read beside itself: all in its directory but what only we read."""
    folder = f"{model.path}/"
    return [folder + file for file in files.under(folder) if file not in _NOT_CODE and not is_unread(file)]


def stage_files(files: Files, stage: Stage, model: VersionedModel) -> list[str]:
    """Paths of the authored files that a stage reads itself, in no other form, however it turns out to run."""
    locks = [f"{model.path}/{LOCK_OF[way.environment]}" for way in stage.ways if way.environment in LOCK_OF]
    return [*locks, *(code_files(files, model) if any(way.reads_code for way in stage.ways) else ())]


def is_unread(file: str) -> bool:
    """Whether a file of a version, relative to its directory, changes no result."""
    return file in UNREAD or not IGNORED.isdisjoint(file.split("/"))


def estimator_inputs(model: VersionedModel, sets: Sequence[VersionedFeatureSet]) -> list[ArtifactInput]:
    """The columns that the estimator sees, in order: request inputs, then features.

    Raises:
        InputError: a field or feature is a timestamp, which estimators cannot take as it is.
    """
    inputs = [
        ArtifactInput(name=name, type=field.type, size=field.size, categories=field.categories)
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
        file, message = f"{model.path}/model.yaml", NO_TIMESTAMP
        raise InputError(Problem(file=file, subject=name, message=message, allowed=INSTEAD) for name in times)
    return inputs


def feature_schemas(model: VersionedModel, sets: Sequence[VersionedFeatureSet]) -> list[FeatureSchema]:
    """What the artifact expects of each feature set."""
    return [use_schema(one, use) for use, one in zip(model.definition.features, sets, strict=True)]


def _golden_rows(
    definitions: Definitions, model: VersionedModel, inputs: Sequence[ArtifactInput]
) -> list[dict[str, Any]]:
    rows = load_golden_rows(definitions.files.tree, model.name, model.version)
    file, names = f"{model.path}/golden_rows.json", {item.name for item in inputs}
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        message = "must be a list of one row or more, each a mapping of inputs"
        raise InputError([Problem(file=file, message=message)])
    allowed = ", ".join(sorted(names))
    strangers = sorted({name for row in rows for name in row} - names)
    if strangers:
        raise InputError(
            Problem(file=file, subject=name, message="is no input of the estimator", allowed=allowed)
            for name in strangers
        )
    return rows


def _record(definitions: Definitions, model: VersionedModel, sets: Sequence[VersionedFeatureSet]) -> RecordSpec:
    definition = model.definition
    training, serving = (packages(definitions.files.valid_lock(f"{model.path}/{lock}").pins) for lock in LOCKS)
    locked: dict[Literal["training", "serving"], dict[str, str]] = {"training": training, "serving": serving}
    return RecordSpec(
        model=model.name,
        version=model.version,
        task=definition.task,
        parameters=definition.parameters,
        request=definition.request,
        features=feature_schemas(model, sets),
        serving=definition.serving,
        packages=locked,
    )
