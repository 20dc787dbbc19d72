"""Stage `train`: what it learned is compiled, or kept as it is where nothing compiled answers as it does."""

from __future__ import annotations

from bighead_ci.delivery.stages.compiling import compiled
from bighead_ci.delivery.stages.keeping import kept
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.train import train
from bighead_ci.entry_points.stages.process import main
from bighead_ci.ports.progress import Progress
from bighead_ci.transforms.compilers import COMPILERS


def run(place: StagePlace, progress: Progress) -> None:
    """Leave the model artifact."""
    train(place, compiled(COMPILERS, otherwise=kept), progress)


if __name__ == "__main__":
    main("train", run)
