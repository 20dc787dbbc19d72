"""Stage `evaluate`, in the environment of the version's serving lock."""

from __future__ import annotations

from bighead_ci.delivery.stages.evaluate import evaluate
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.entry_points.stages.process import main
from bighead_ci.ports.progress import Progress


def run(place: StagePlace, progress: Progress) -> None:
    """Leave how well the artifact does."""
    evaluate(place, progress)


if __name__ == "__main__":
    main("evaluate", run)
