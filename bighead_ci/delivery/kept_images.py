"""Which images there are and who still needs each; building them beforehand, and letting the others go."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress

from bighead_ci.definitions.files import Files
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.main import Main
from bighead_ci.documents.base import Document, short
from bighead_ci.documents.image import ImageManifest, ImageRef
from bighead_ci.documents.inputs import Image, Target
from bighead_ci.errors import InputError
from bighead_ci.planning.inputs import Inputs
from bighead_ci.ports.images import ImageBuilder
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.tree import Tree

RELEASES = 20
"""How many releases of a model in an environment a rollback should still reach."""


class KeptImage(Document):
    """An image that a builder keeps."""

    reference: str
    key: str
    model: str
    version: str
    target: Target
    needed_by: list[str]
    """Releases, versions of main and pull requests that would have to build it again, one each; none: nobody."""


class VerifiedImages(Document):
    """What of the images that releases on main name is there and whole."""

    whole: list[str]
    missing: dict[str, list[str]]
    """Reference of an image that is gone or damaged → the releases that name it."""


def image_builders(context: Context, main: Main) -> list[ImageBuilder]:
    """That of records, and those of all environments of main.

    Raises:
        RetryError: an engine that holds the images of one does not answer.
    """
    environments = main.desired.environments.items()
    builders = [context.images, *(context.images_of(name, definition) for name, definition in environments)]
    return [*{id(builder): builder for builder in builders}.values()]


def kept_images(context: Context, main: Main, releases: int = RELEASES) -> list[KeptImage]:
    """All images that builders keep, with who needs each.

    Needed is what one of the newest releases of a model in an environment names, or a release at the head of an open
    pull request; and what a version is made of, on main or there, as this engine plans it.

    Args:
        context: Ports.
        main: The branch that says what runs.
        releases: How far back.

    Raises:
        RetryError: an engine that holds images does not answer.
    """
    by_reference: defaultdict[str, set[str]] = defaultdict(set)
    by_key: defaultdict[str, set[str]] = defaultdict(set)
    for reference, who in (*_released(main, releases), *_proposed(context)):
        by_reference[reference].add(who)
    for key, who in _planned(context, main):
        by_key[key].add(who)
    found: dict[str, ImageManifest] = {}
    for builder in image_builders(context, main):
        found |= builder.kept()
    return [
        KeptImage(
            reference=reference,
            key=manifest.key,
            model=manifest.model,
            version=manifest.version,
            target=manifest.target,
            needed_by=sorted(by_reference[reference] | by_key[manifest.key]),
        )
        for reference, manifest in sorted(found.items(), key=lambda one: (one[1].model, one[1].version, one[0]))
    ]


def build_images(
    context: Context, main: Main, model: str, version: str, environment: str, progress: Progress
) -> dict[Image, ImageRef]:
    """Every image of a version of main, for an environment: those that are not there are built, before anybody waits.

    Raises:
        InputError: there is no such version or environment, or an image cannot be built.
        RetryError: the engine, the package index or the registry does not answer.
    """
    builder = context.images_of(environment, main.desired.environment(environment))
    planned = Inputs(Files(main.tree), context.engine)
    wanted = planned.definitions.model(model, version)
    images = planned.of(wanted).images
    return {image: builder.ensure(planned.recipe(image, wanted), main.tree, progress) for image in images}


def collect_images(context: Context, main: Main, releases: int, progress: Progress) -> list[KeptImage]:
    """Let go of every image that nobody needs; those."""
    gone = [image for image in kept_images(context, main, releases) if not image.needed_by]
    for image in gone:
        for builder in image_builders(context, main):
            builder.remove(image.reference)
        progress(f"let go of {image.model}/{image.version} {short(image.reference)}")
    return gone


def bill_of(context: Context, main: Main, reference: str) -> bytes:
    """What is in an image, as CycloneDX.

    Raises:
        InputError: no builder has it.
    """
    for builder in image_builders(context, main):
        if builder.find(reference) is not None:
            return builder.bill(reference)
    raise InputError(f"there is no image {reference} here; `bighead images list` shows all")


def verified_images(context: Context, main: Main) -> VerifiedImages:
    """Look at every image that a release on main names."""
    builders = image_builders(context, main)
    named: defaultdict[str, list[str]] = defaultdict(list)
    for reference, who in _released(main, 1):
        named[reference].append(who)
    whole = {reference for reference in named if any(builder.find(reference) for builder in builders)}
    missing = {reference: sorted(who) for reference, who in sorted(named.items()) if reference not in whole}
    return VerifiedImages(whole=sorted(whole), missing=missing)


def _released(main: Main, releases: int) -> Iterator[tuple[str, str]]:
    """(reference, release that names it) of the newest releases of every model in every environment."""
    seen: Counter[tuple[str, str]] = Counter()
    for edit in main.log.all():
        place = edit.environment, edit.model
        seen[place] += 1
        if seen[place] > releases:
            continue
        release, _ = main.reader.attempt(*place, edit.after)
        for variant in release.variants if release else ():
            yield variant.image, f"{edit.environment}/{edit.model} at {short(edit.commit.id)}"


def _proposed(context: Context) -> Iterator[tuple[str, str]]:
    """(reference, pull request) of what open pull requests would have a release name."""
    for pull in context.forge.find("open"):
        files = Files(context.repository.tree(pull.head))
        for place in files.places:
            release = files.release(place.of, place.name) if place.kind == "release" else None
            for variant in release.variants if release else ():
                yield variant.image, f"pull request {pull.number}"


def _planned(context: Context, main: Main) -> Iterator[tuple[str, str]]:
    """(key, who would have it) of every version of main and of open pull requests."""
    yield from _keys(context, main.tree, "main")
    for pull in context.forge.find("open"):
        yield from _keys(context, context.repository.tree(pull.head), f"pull request {pull.number}")


def _keys(context: Context, tree: Tree, of: str) -> Iterator[tuple[str, str]]:
    inputs = Inputs(Files(tree), context.engine)
    for place in inputs.files.places:
        if place.kind == "model":
            with suppress(InputError):  # what has problems has no image
                found = inputs.of(inputs.definitions.model(place.name, place.of))
                yield from ((found.image_key(image), f"{found.id} of {of}") for image in found.images)
