"""Stage `package`: verify the artifact where it will serve, and say by digest what was made."""

from __future__ import annotations

from collections.abc import Mapping

from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.results import Package
from bighead_ci.documents.base import digest_of_bytes, short
from bighead_ci.planning.stages import ARTIFACT, PACKAGE, TRAINING_SET
from bighead_ci.ports.progress import Progress
from bighead_ci.scorers.artifact import artifact_digest, load_artifact
from bighead_ci.scorers.registry import LOADERS, Loader


def package(place: StagePlace, progress: Progress, loaders: Mapping[str, Loader] = LOADERS) -> Package:
    """Leave the digests.

    Args:
        place: The model version.
        progress: Gets a line at the end.
        loaders: Kind of artifact → what loads it.

    Raises:
        InputError: the artifact does not load.
    """
    directory = place.out / ARTIFACT
    digest = artifact_digest(directory)
    load_artifact(directory, digest, loaders)
    made = Package(
        artifact=digest,
        artifact_bytes=sum(path.stat().st_size for path in directory.iterdir()),
        training_set=digest_of_bytes((place.out / TRAINING_SET).read_bytes()),
    )
    made.write(place.leaving(PACKAGE))
    progress(f"artifact {short(made.artifact)} ({made.artifact_bytes:,} bytes)")
    return made
