"""Stage `quality`: the expectations of the model and of its feature sets, and a profile of every column.

A failed expectation does not fail the stage: it is evidence, and the gate decides.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bighead_ci.definitions.loading import load_expectations
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.profile import profile_columns
from bighead_ci.delivery.stages.results import TRAINING_SET, Profile, Progress
from bighead_ci.documents.definition import FeatureUse, VersionedFeatureSet
from bighead_ci.documents.record import ExpectationResult, QualityResult
from bighead_ci.features.naming import features_of, full_name, used_features
from bighead_ci.ports.quality import ExpectationRunner

COLUMN_ARGUMENTS = ("column", "column_A", "column_B")


def check_quality(place: StagePlace, runner: ExpectationRunner, progress: Progress) -> QualityResult:
    """Leave `quality.json` and `profile.json`.

    Raises:
        InputError: an expectations file is no list of expectations.
    """
    table = pq.read_table(place.out / TRAINING_SET)
    results: list[ExpectationResult] = []
    own = load_expectations(place.tree, place.directory)
    if own:
        results += runner.run(place.directory, own, table.to_pandas())
    for use, feature_set in zip(place.model.definition.features, place.feature_sets, strict=True):
        results += _of_feature_set(place, use, feature_set, table, runner)
    quality = QualityResult(results=results)
    quality.write(place.out / "quality.json")
    described = [name for name in table.column_names if name not in ("__event_id", "__timestamp", "__part")]
    Profile(columns=profile_columns(table.select(described))).write(place.out / "profile.json")
    progress(f"{quality.passed} of {len(results)} expectations hold; {len(described)} columns profiled")
    return quality


def _of_feature_set(
    place: StagePlace, use: FeatureUse, feature_set: VersionedFeatureSet, table: pa.Table, runner: ExpectationRunner
) -> list[ExpectationResult]:
    """A set names its columns without its own name; what the model does not take of it cannot be checked here."""
    taken = [feature.name for feature in used_features(feature_set, use.columns)]
    absent = {feature.name for feature in features_of(feature_set)} - set(taken) | set(feature_set.source.columns)
    checked = [_without_prefix(one, feature_set.name) for one in load_expectations(place.tree, feature_set.path)]
    checked = [one for one in checked if not _columns(one) & absent]
    if not checked:
        return []
    columns = table.select([full_name(feature_set.name, name) for name in taken]).rename_columns(taken)
    return runner.run(feature_set.path, checked, columns.to_pandas())


def _columns(expectation: dict[str, Any]) -> set[str]:
    return {value for name, value in expectation["kwargs"].items() if name in COLUMN_ARGUMENTS}


def _without_prefix(expectation: dict[str, Any], set_name: str) -> dict[str, Any]:
    arguments = {
        name: value.removeprefix(f"{set_name}.") if name in COLUMN_ARGUMENTS and isinstance(value, str) else value
        for name, value in expectation["kwargs"].items()
    }
    return expectation | {"kwargs": arguments}
