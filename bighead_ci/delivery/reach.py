"""How far back the features of a moment reach, and whether their data has rows there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from bighead_ci.definitions.loading import load_feature_set
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.main import Main
from bighead_ci.documents.base import Moment, epoch_us
from bighead_ci.documents.definition import FeatureSchema, VersionedFeatureSet
from bighead_ci.documents.report import FeatureReach
from bighead_ci.features.meaning import Feature, used_features
from bighead_ci.planning.meaning import data_path
from bighead_ci.ports.progress import Progress


def feature_reaches(
    context: Context, main: Main, schemas: Sequence[FeatureSchema], progress: Progress
) -> list[FeatureReach]:
    """For each set that a model takes features of: how many reach a row of main's data at the workspace's moment.

    Raises:
        InputError: a set or its data is not there.
    """
    sets = {schema.set: load_feature_set(main.tree, *schema.set.split("/")) for schema in schemas}
    if not sets:
        return []
    paths = {name: data_path(loaded.source) for name, loaded in sets.items()}
    place = context.orchestrator.sources(main.commit, progress, sorted(set(paths.values())))
    return [reach_of(context, sets[one.set], one.columns, place / paths[one.set]) for one in schemas]


def reach_of(
    context: Context, feature_set: VersionedFeatureSet, columns: Collection[str] | None, file: Path
) -> FeatureReach:
    """The same of one set and its source's file; None: of all its features."""
    moment = context.data_clock.now()
    newest = context.offline_store.newest(feature_set.source, file, moment)
    return reach(feature_set, columns, newest, moment)


def reach(
    feature_set: VersionedFeatureSet, columns: Collection[str] | None, newest: Moment | None, moment: Moment
) -> FeatureReach:
    """Which windows that end at a moment go back to the newest row or beyond."""
    features = used_features(feature_set, columns)
    lefts = [_left_end(epoch_us(moment), feature) for feature in features]
    reached = 0 if newest is None else sum(left <= epoch_us(newest) for left in lefts)
    return FeatureReach(set=feature_set.id, moment=moment, newest=newest, features=len(features), reached=reached)


def _left_end(moment: int, feature: Feature) -> int:
    left = moment - feature.window
    return left - left % feature.hop if feature.hop else left
