"""Stage `package`, in the environment of the version's serving lock."""

from __future__ import annotations

from bighead_ci.delivery.stages.package import package
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.entry_points.stages.process import main
from bighead_ci.ports.progress import Progress


def run(place: StagePlace, progress: Progress) -> None:
    """Leave the digests of what was made."""
    package(place, progress)


if __name__ == "__main__":
    main("package", run)
