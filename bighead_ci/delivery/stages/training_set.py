"""Stage `training-set`: spine, point-in-time features and label, as one Parquet file."""

from __future__ import annotations

from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.results import TRAINING_SET, Progress
from bighead_ci.documents.record import TrainingSetSummary
from bighead_ci.ports.offline_store import OfflineStore


def make_training_set(place: StagePlace, store: OfflineStore, progress: Progress) -> TrainingSetSummary:
    """Leave `training_set.parquet` and `training_set.json`.

    Raises:
        InputError: a definition or a source does not fit.
    """
    place.out.mkdir(parents=True, exist_ok=True)
    summary = store.training_set(place.model, place.feature_sets, place.sources(), place.out / TRAINING_SET)
    summary.write(place.out / "training_set.json")
    progress(
        f"{summary.train_rows:,} rows to train, {summary.evaluate_rows:,} to evaluate, "
        f"{len(summary.columns)} inputs; left out: {summary.immature:,} immature, {summary.unlabelled:,} unlabelled"
    )
    return summary
