"""What a feature set's definition means: its features by name, their types, and the digest that says "the same"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bighead_ci.documents.base import digest_of
from bighead_ci.documents.definition import (
    Aggregation,
    ColumnType,
    FeatureSchema,
    FeatureSetDefinition,
    FeatureUse,
    Operation,
    SourceDefinition,
    VersionedFeatureSet,
    microseconds,
)
from bighead_ci.errors import InputError, Problem
from bighead_ci.words import closest

FeatureType = Literal["int64", "float64", "string"]

_OPERATIONS: dict[ColumnType, tuple[Operation, ...]] = {
    "int64": ("count", "sum", "mean", "min", "max", "variance", "first", "last"),
    "float64": ("count", "sum", "mean", "min", "max", "variance", "first", "last"),
    "bool": ("count", "sum", "mean", "min", "max", "variance", "first", "last"),
    "string": ("count", "min", "max", "first", "last"),
    "timestamp": ("count",),
}
_DEFAULT_HOPS = ((microseconds("12d"), "1d"), (microseconds("12h"), "1h"), (0, "5m"))


@dataclass(frozen=True)
class Feature:
    """One output column of a feature set."""

    name: str
    """`dep_delay_mean_7d`, without the set's name."""
    column: str
    operation: Operation
    window: int
    """Microseconds."""
    hop: int
    """Microseconds that the window's left end is floored to; 0: not floored."""
    type: FeatureType
    default: float | None


def default_hop(window: str) -> str:
    """What a window's left end is floored to when the definition does not say: `30d` → `1d`."""
    length = microseconds(window)
    return next(hop for least, hop in _DEFAULT_HOPS if length >= least)


def hop_microseconds(aggregation: Aggregation, window: str) -> int:
    """The hop of one window of an aggregation in microseconds; 0 for `exact`."""
    hop = aggregation.hop or default_hop(window)
    return 0 if hop == "exact" else microseconds(hop)


def feature_name(column: str, operation: str, window: str) -> str:
    """`dep_delay_mean_7d`."""
    return f"{column}_{operation}_{window}"


def full_name(set_name: str, feature: str) -> str:
    """`carrier_delays.dep_delay_mean_7d`."""
    return f"{set_name}.{feature}"


def output_type(column_type: ColumnType, operation: Operation) -> FeatureType:
    """The type of a feature: count is int64, mean and variance float64, the rest keep the column's type.

    A bool column counts as int64 0 and 1.
    """
    if operation == "count":
        return "int64"
    if operation in ("mean", "variance") or column_type == "float64":
        return "float64"
    return "string" if column_type == "string" else "int64"


def features_of(feature_set: VersionedFeatureSet) -> list[Feature]:
    """All features of a set, in the definition's order.

    Raises:
        InputError: the set does not fit its source (all problems at once).
    """
    problems = list(set_problems(feature_set))
    if problems:
        raise InputError(problems)
    return [
        Feature(
            name=feature_name(aggregation.column, operation, window),
            column=aggregation.column,
            operation=operation,
            window=microseconds(window),
            hop=hop_microseconds(aggregation, window),
            type=output_type(feature_set.source.columns[aggregation.column], operation),
            default=aggregation.default,
        )
        for aggregation in feature_set.definition.aggregations
        for operation in aggregation.operations
        for window in aggregation.windows
    ]


def used_features(feature_set: VersionedFeatureSet, columns: Iterable[str] | None) -> list[Feature]:
    """The named features in the order given; None takes all in the definition's order.

    Raises:
        InputError: a name is not a feature of the set.
    """
    features = {feature.name: feature for feature in features_of(feature_set)}
    if columns is None:
        return list(features.values())
    wanted = list(columns)
    problems = [
        Problem(
            file=f"{feature_set.path}/feature_set.yaml",
            subject="columns",
            message=f"{feature_set.id} has no such feature",
            value=name,
            allowed=", ".join(features),
            suggestion=closest(name, features),
        )
        for name in wanted
        if name not in features
    ]
    if problems:
        raise InputError(problems)
    return [features[name] for name in wanted]


def feature_schema(feature_set: VersionedFeatureSet, columns: list[str] | None) -> FeatureSchema:
    """What an artifact expects of the set: the names it takes and the digest of the whole set's meaning."""
    names = [feature.name for feature in used_features(feature_set, columns)]
    return FeatureSchema(set=feature_set.id, digest=meaning_digest(feature_set), columns=names)


def use_schema(feature_set: VersionedFeatureSet, use: FeatureUse) -> FeatureSchema:
    """`feature_schema` of a model's use of the set."""
    return feature_schema(feature_set, use.columns)


def meaning_digest(feature_set: VersionedFeatureSet) -> str:
    """Digest of what the set computes: equal digests, equal values on equal data.

    Owner, description, the order of aggregations, the source's unused columns and a hop that spells out the default
    make no difference.
    """
    source, definition = feature_set.source, feature_set.definition
    features = features_of(feature_set)
    used = {*definition.key, source.timestamp, source.event_id, source.known_at, *(f.column for f in features)}
    return digest_of(
        {
            "columns": {column: kind for column, kind in source.columns.items() if column in used},
            "timestamp": source.timestamp,
            "event_id": source.event_id,
            "known_at": source.known_at,
            "key": definition.key,
            "features": sorted([f.name, f.column, f.operation, f.window, f.hop, repr(f.default)] for f in features),
        }
    )


def set_problems(feature_set: VersionedFeatureSet) -> Iterable[Problem]:
    """Everything about the set that does not fit its source."""
    definition, source = feature_set.definition, feature_set.source
    file = f"{feature_set.path}/feature_set.yaml"
    if source.timestamp is None:
        yield Problem(file=file, subject="source", message="the source has no timestamp", value=definition.source)
    yield from _key_problems(file, definition, source)
    for number, aggregation in enumerate(definition.aggregations):
        yield from _aggregation_problems(file, f"aggregations.{number}", aggregation, source)
    yield from _duplicate_problems(file, definition)


def _key_problems(file: str, definition: FeatureSetDefinition, source: SourceDefinition) -> Iterable[Problem]:
    for number, key in enumerate(definition.key):
        kind = source.columns.get(key)
        if kind is None:
            yield _missing(file, f"key.{number}", key, source)
        elif kind not in ("int64", "string") or key in source.sizes:
            yield Problem(
                file=file, subject=f"key.{number}", message="a key must be int64 or string", value=f"{key}: {kind}"
            )
    if len(set(definition.key)) != len(definition.key):
        yield Problem(file=file, subject="key", message="a column may appear once", value=", ".join(definition.key))


def _aggregation_problems(
    file: str, subject: str, aggregation: Aggregation, source: SourceDefinition
) -> Iterable[Problem]:
    kind = source.columns.get(aggregation.column)
    if kind is None:
        yield _missing(file, f"{subject}.column", aggregation.column, source)
        return
    if aggregation.column in source.sizes:
        yield Problem(
            file=file,
            subject=f"{subject}.column",
            message="a list column cannot be aggregated",
            value=aggregation.column,
        )
    for operation in aggregation.operations:
        if operation not in _OPERATIONS[kind]:
            yield Problem(
                file=file,
                subject=f"{subject}.operations",
                message=f"a {kind} column has no such operation",
                value=f"{operation} of {aggregation.column}",
                allowed=", ".join(_OPERATIONS[kind]),
            )
        elif aggregation.default is not None and operation != "count":
            yield from _default_problems(file, subject, aggregation, output_type(kind, operation))


def _default_problems(file: str, subject: str, aggregation: Aggregation, kind: FeatureType) -> Iterable[Problem]:
    default = aggregation.default
    if default is None or (kind == "float64" and abs(default) < float("inf")):
        return
    if kind != "int64" or not default.is_integer() or not -(2.0**53) <= default <= 2.0**53:
        yield Problem(
            file=file,
            subject=f"{subject}.default",
            message=f"a {kind} feature cannot take this default",
            value=repr(default),
        )


def _duplicate_problems(file: str, definition: FeatureSetDefinition) -> Iterable[Problem]:
    seen: set[str] = set()
    for number, aggregation in enumerate(definition.aggregations):
        for operation in aggregation.operations:
            for window in aggregation.windows:
                name = feature_name(aggregation.column, operation, window)
                if name in seen:
                    yield Problem(
                        file=file, subject=f"aggregations.{number}", message="the feature is defined twice", value=name
                    )
                seen.add(name)


def _missing(file: str, subject: str, column: str, source: SourceDefinition) -> Problem:
    return Problem(
        file=file,
        subject=subject,
        message="the source has no such column",
        value=column,
        allowed=", ".join(source.columns),
        suggestion=closest(column, source.columns),
    )
