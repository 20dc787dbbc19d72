"""Stage `evaluate` of a version whose own code answers, in the environment of its serving lock."""

from __future__ import annotations

from functools import partial

from bighead_ci.delivery.stages.evaluate import evaluate
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.version_code import code_directory
from bighead_ci.documents.stage import EvaluateSpec, StageOrder
from bighead_ci.entry_points.stages.process import main
from bighead_ci.model_code.scorer import load_code_scorer
from bighead_ci.ports.progress import Progress


def run(place: StagePlace, progress: Progress) -> None:
    """Leave what the stage leaves, with the version's code beside the artifact."""
    files = place.order("evaluate", StageOrder[EvaluateSpec]).spec.code
    with code_directory(place, files) as directory:
        evaluate(place, progress, {"python": partial(load_code_scorer, version=directory)})


if __name__ == "__main__":
    main("evaluate", run)
