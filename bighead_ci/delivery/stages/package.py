"""Stage `package`: verify the artifact once more and say by digest what was made."""

from __future__ import annotations

from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.results import ARTIFACT, TRAINING_SET, Package, Progress
from bighead_ci.documents.base import digest_of_bytes, short
from bighead_ci.ports.images import ImageBuilder
from bighead_ci.transforms.artifact import artifact_digest, load_artifact


def package(place: StagePlace, images: ImageBuilder, progress: Progress) -> Package:
    """Leave `package.json`.

    Raises:
        InputError: the artifact does not load, or the lock file is wrong.
    """
    directory = place.out / ARTIFACT
    digest = artifact_digest(directory)
    load_artifact(directory, digest)
    made = Package(
        artifact=digest,
        artifact_bytes=sum(path.stat().st_size for path in directory.iterdir()),
        image=images.plan(place.path, place.model.name, place.model.version),
        training_set=digest_of_bytes((place.out / TRAINING_SET).read_bytes()),
    )
    made.write(place.out / "package.json")
    progress(f"artifact {short(made.artifact)} ({made.artifact_bytes:,} bytes), image {short(made.image)}")
    return made
