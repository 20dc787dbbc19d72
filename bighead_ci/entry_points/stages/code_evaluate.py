"""Stage `evaluate` of a version whose own code answers, in the environment that it will answer in."""

from __future__ import annotations

from bighead_ci.delivery.stages.evaluate import evaluate
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.version_code import code_directory
from bighead_ci.documents.stage import EvaluateSpec, StageOrder
from bighead_ci.entry_points.stages.process import main
from bighead_ci.model_code.scorer import code_loaders
from bighead_ci.ports.progress import Progress


def run(place: StagePlace, progress: Progress) -> None:
    """Leave what the stage leaves, with the version's code beside the artifact."""
    files = place.order("evaluate", StageOrder[EvaluateSpec]).spec.code
    with code_directory(place, files) as directory:
        evaluate(place, progress, code_loaders(directory))


if __name__ == "__main__":
    main("evaluate", run)
