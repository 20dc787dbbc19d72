"""Stage `train` of a version whose own code answers: what it learned is kept as it is."""

from __future__ import annotations

from bighead_ci.delivery.stages.keeping import kept
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.train import train
from bighead_ci.entry_points.stages.process import main
from bighead_ci.ports.progress import Progress


def run(place: StagePlace, progress: Progress) -> None:
    """Leave the model artifact."""
    train(place, kept, progress)


if __name__ == "__main__":
    main("train", run)
