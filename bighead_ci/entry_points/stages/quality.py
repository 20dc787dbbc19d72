"""Stage `quality` with Great Expectations."""

from __future__ import annotations

from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.quality import check_quality
from bighead_ci.entry_points.stages.process import main
from bighead_ci.ports.progress import Progress
from bighead_ci.quality.expectations import GreatExpectationRunner


def run(place: StagePlace, progress: Progress) -> None:
    """Leave what the expectations say, and the profile."""
    check_quality(place, GreatExpectationRunner(), progress)


if __name__ == "__main__":
    main("quality", run)
