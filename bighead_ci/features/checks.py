"""Whether a feature set's definition fits its source: every problem at once."""

from __future__ import annotations

from collections.abc import Iterable

from bighead_ci.documents.definition import (
    Aggregation,
    FeatureSetDefinition,
    SourceDefinition,
    VersionedFeatureSet,
)
from bighead_ci.errors import Problem
from bighead_ci.features.naming import feature_name
from bighead_ci.features.operations import OPERATIONS, FeatureType, output_type
from bighead_ci.words import closest


def set_problems(feature_set: VersionedFeatureSet) -> Iterable[Problem]:
    """Everything about the set that does not fit its source."""
    definition, source = feature_set.definition, feature_set.source
    file = f"{feature_set.path}/feature_set.yaml"
    if source.timestamp is None:
        yield Problem(file=file, subject="source", message="the source has no timestamp", value=definition.source)
    id_kind = source.columns.get(source.event_id)
    if id_kind not in (None, "int64", "string") or source.event_id in source.sizes:
        yield Problem(
            file=file,
            subject="source",
            message="the source's event_id must be int64 or string",
            value=f"{source.event_id}: {id_kind}",
        )
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
        if operation not in OPERATIONS[kind]:
            yield Problem(
                file=file,
                subject=f"{subject}.operations",
                message=f"a {kind} column has no such operation",
                value=f"{operation} of {aggregation.column}",
                allowed=", ".join(OPERATIONS[kind]),
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
