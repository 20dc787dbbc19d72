"""Stage `training-set` on DuckDB."""

from __future__ import annotations

import os

from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.training_set import make_training_set
from bighead_ci.entry_points.stages.process import main
from bighead_ci.ports.progress import Progress
from bighead_ci.stores.limits import limits_of
from bighead_ci.stores.offline import DuckDBOfflineStore


def run(place: StagePlace, progress: Progress) -> None:
    """Leave the training set."""
    make_training_set(place, DuckDBOfflineStore(limits_of(os.environ)), progress)


if __name__ == "__main__":
    main("training-set", run)
