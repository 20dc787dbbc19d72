"""Stage `record`: all that the others left, as one document."""

from __future__ import annotations

from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.record import make_record
from bighead_ci.entry_points.stages.process import main
from bighead_ci.ports.progress import Progress


def run(place: StagePlace, progress: Progress) -> None:
    """Leave the record."""
    make_record(place, progress)


if __name__ == "__main__":
    main("record", run)
