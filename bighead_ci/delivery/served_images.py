"""Which image serves a record in an environment: the builder of its platform says, by the key that the record has.

A record knows no environment. Its key says what goes into the image; what comes out is another reference for each
builder, and so a release and a record are never compared by their references.
"""

from __future__ import annotations

from bighead_ci.definitions.files import Files
from bighead_ci.delivery.context import Context
from bighead_ci.documents.base import short
from bighead_ci.documents.environment import EnvironmentDefinition
from bighead_ci.documents.image import ImageManifest, Reference
from bighead_ci.documents.record import RunRecord
from bighead_ci.documents.release import Variant
from bighead_ci.errors import InputError
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.stages import serving_image
from bighead_ci.ports.progress import Progress


def image_for(
    context: Context, environment: str, definition: EnvironmentDefinition, record: RunRecord, progress: Progress
) -> Reference:
    """The image that serves a record in an environment, built there if it is not.

    Raises:
        InputError: it is not there and cannot be built: the lock does not install, there is nothing to build it on, or
            another engine made the record.
        RetryError: the builder, the package index or the registry does not answer.
    """
    builder, wanted = context.images_of(environment, definition), record.images["serve"]
    if found := builder.built(record.model, wanted.key):
        return found.reference
    tree = context.repository.tree(record.commit)
    planned = Inputs(Files(tree), context.engine)
    model = planned.definitions.model(record.model, record.version)
    recipe = planned.recipe(serving_image(model.definition.serving.kind, record.kind), model)
    if recipe.key != wanted.key:
        raise InputError(
            f"{record.id}: {environment} has no image of record {record.run_id[:12]}, and it cannot be built: another "
            f"engine planned it (key {short(wanted.key)}, by this one {short(recipe.key)}); a pull request that "
            "touches the version makes a record by this engine"
        )
    progress(f"{record.id}: building its image for {environment}")
    return builder.ensure(recipe, tree, progress).reference


def serves(
    context: Context, environment: str, definition: EnvironmentDefinition, variant: Variant, record: RunRecord
) -> bool:
    """Whether a variant of an environment serves what a record holds: its artifact, in an image of its key.

    Raises:
        RetryError: the artifact is the record's, and the builder does not answer.
    """
    if (variant.artifact, variant.version) != (record.artifact, record.version):
        return False
    return is_image_of(context, environment, definition, variant.image, record)


def is_image_of(
    context: Context, environment: str, definition: EnvironmentDefinition, image: Reference, record: RunRecord
) -> bool:
    """Whether an image is there, whole, and made by an environment's builder of what a record's serving image is.

    Raises:
        RetryError: the builder does not answer.
    """
    manifest = context.images_of(environment, definition).find(image)
    return manifest is not None and is_of(manifest, record)


def is_of(manifest: ImageManifest, record: RunRecord) -> bool:
    """Whether an image, whoever built it, is what a record's serving image is."""
    return (manifest.model, manifest.key) == (record.model, record.images["serve"].key)
