"""What is wrong with expectations: their form, their types and arguments, and columns that the data never has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bighead_ci.definitions.expectations_file import read_expectations
from bighead_ci.definitions.files import Files, Place
from bighead_ci.documents.definition import ModelDefinition, VersionedFeatureSet
from bighead_ci.documents.stage import BOOKKEEPING, LABEL
from bighead_ci.errors import Problem
from bighead_ci.features.naming import feature_name, full_name
from bighead_ci.words import closest

TRAINING_COLUMNS = (*BOOKKEEPING, LABEL)
"""Columns every training set may have besides the estimator's inputs."""


def feature_names(definition: Any) -> list[str]:
    """Names of a feature set definition's features, valid or not."""
    return [
        feature_name(aggregation.column, operation, window)
        for aggregation in definition.aggregations
        for operation in aggregation.operations
        for window in aggregation.windows
    ]


def feature_set_expectation_problems(files: Files, feature_set: VersionedFeatureSet) -> Iterator[Problem]:
    """A feature set's expectations are about its source's columns and its features."""
    features = feature_names(feature_set.definition)
    known = {*feature_set.source.columns, *features, *(full_name(feature_set.name, name) for name in features)}
    yield from _problems(files, feature_set.path, known)


def model_expectation_problems(files: Files, place: Place, definition: ModelDefinition) -> Iterator[Problem]:
    """A model's expectations are about its training set's columns."""
    known = {*TRAINING_COLUMNS, *definition.request, *definition.evaluation.slices}
    for use in definition.features:
        used = files.feature_set(use.set)
        if used is None:
            return  # reported already
        name = use.set.split("/")[0]
        known |= {full_name(name, feature) for feature in use.columns or feature_names(used)}
    yield from _problems(files, place.folder, known)


def _problems(files: Files, folder: str, known: set[str]) -> Iterator[Problem]:
    read = read_expectations(files.tree, folder)
    yield from read.problems
    for expectation in read.expectations:
        for argument, column in expectation.columns.items():
            if column not in known:
                where = read.where(expectation, argument)
                yield Problem(
                    file=read.file,
                    line=read.line(where),
                    subject=".".join(map(str, where)),
                    message="the data has no such column",
                    value=column,
                    allowed=", ".join(sorted(known)),
                    suggestion=closest(column, known),
                )
