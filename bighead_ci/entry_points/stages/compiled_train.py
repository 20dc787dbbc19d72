"""Stage `train` of a version that says `serving: {kind: compiled}`: where nothing compiled answers, it fails."""

from __future__ import annotations

from bighead_ci.delivery.stages.compiling import compiled
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.train import train
from bighead_ci.entry_points.stages.process import main
from bighead_ci.ports.progress import Progress
from bighead_ci.transforms.compilers import COMPILERS


def run(place: StagePlace, progress: Progress) -> None:
    """Leave the model artifact."""
    train(place, compiled(COMPILERS), progress)


if __name__ == "__main__":
    main("train", run)
