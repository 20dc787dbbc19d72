"""What a feature set means: its features with types and windows, and the digest that says "the same"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bighead_ci.documents.base import digest_of
from bighead_ci.documents.definition import (
    Aggregation,
    FeatureSchema,
    FeatureUse,
    Operation,
    VersionedFeatureSet,
    microseconds,
)
from bighead_ci.errors import InputError, Problem
from bighead_ci.features.checks import set_problems
from bighead_ci.features.naming import feature_name
from bighead_ci.features.operations import FeatureType, output_type
from bighead_ci.words import closest

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
