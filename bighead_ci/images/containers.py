"""Images in a Docker engine, and in a registry: what a container of a model version is started from."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import ImageNotFound
from docker.models.images import Image
from filelock import FileLock
from pydantic import ValidationError

from bighead_ci.definitions.lock_file import read_pins
from bighead_ci.docker_engine import answering
from bighead_ci.documents.base import canonical_json, digest_of, short
from bighead_ci.documents.image import INTERPRETER, ImageManifest, ImageRecipe, ImageRef
from bighead_ci.errors import BugError, InputError
from bighead_ci.images import buildkit, registry, site_packages
from bighead_ci.images.archives import write_archive
from bighead_ci.images.bases import Base, BaseFacts, facts_of, pulled
from bighead_ci.images.bill_of_materials import bill_of_materials
from bighead_ci.images.buildkit import Context
from bighead_ci.images.container_files import file_in
from bighead_ci.images.contents import ENGINE, LOCK, contents_of, manifest_of
from bighead_ci.images.dates import without_dates
from bighead_ci.images.dockerfile import ENVIRONMENT, ROOT, SBOM, Steps, dockerfile
from bighead_ci.images.site_packages import archive_environment
from bighead_ci.planning.stages import CONTAINER_ENTRY_POINT
from bighead_ci.ports.engine import Engine
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.tree import Tree

FORMAT = 1
"""Of images; another one where the same recipe gives another image."""
LOCAL = "engine"
"""Stands in the reference of an image that is in no registry where others have theirs: `engine/late@sha256:…`."""
REPOSITORY = "bighead"
"""Of the tags by which the engine knows its images."""
MANIFEST_LABEL = "bighead.manifest"
KEY_LABEL = "bighead.key"
PLACE_LABEL = "bighead.place"
"""Key of an image together with how this builder makes it."""


@dataclass(frozen=True)
class Place:
    """Where a builder keeps images, and what it makes them from."""

    root: Path
    """Directory for archives that become layers. Builders with another one have their own images in one engine."""
    base: str | None
    """What images of versions stand on that bring no base of their own; None: those cannot be built."""
    registry: str | None = None
    """Where images are pushed, as `registry.example:5000/models`; None: they stay in the engine."""
    address: str | None = None
    """Of the engine; None: as this process's environment says."""


class ContainerImageBuilder:
    """Builds images in a Docker engine, finds them there, and pushes them where a registry is named.

    Args:
        client: Of the engine.
        place: Where images are kept.
        engine: Whose files are put into images.
    """

    def __init__(self, client: docker.DockerClient, place: Place, engine: Engine) -> None:
        self.place = place
        self._client = client
        self._engine = engine

    @property
    def repository_in_engine(self) -> str:
        """What the tags of this builder's images begin with."""
        return f"{REPOSITORY}/{short(digest_of(str(self.place.root.resolve())))}"

    def ensure(self, recipe: ImageRecipe, tree: Tree, progress: Progress) -> ImageRef:
        """The image of that key, built and pushed unless it is there; see the port.

        Raises:
            InputError: the lock has problems or cannot be installed on the base; there is no base; the registry
                refuses us, which is asked before anything is built.
            RetryError: the engine, the package index or the registry does not answer.
            BugError: a file of the tree or the engine is not the one that the recipe names.
        """
        found = self.built(recipe.model, recipe.key)
        if found is not None:
            return found
        contents = contents_of(recipe, tree, self._engine)
        self.place.root.mkdir(parents=True, exist_ok=True)
        with FileLock(self.place.root / f".{self._tag(recipe.key)}.lock"), answering(f"{recipe.folder}: image"):
            image = self._here(recipe.model, recipe.key)
            if image is None:
                image = self._build(recipe, contents, progress)
                progress(f"image for {'serving' if recipe.target == 'serve' else 'training'} {short(image.id)}")
            reference = f"{LOCAL}/{recipe.model}@{image.id}"
            if self.place.registry is not None:
                reference = registry.push(self._client, image, self._repository(recipe.model), self._tag(recipe.key))
                progress(f"pushed {reference}")
        return ImageRef(key=recipe.key, reference=reference)

    def built(self, model: str, key: str) -> ImageRef | None:
        """The image of that key, if it is there; see the port."""
        if self.place.registry is not None:
            digest = registry.digest(self._client, f"{self._repository(model)}:{self._tag(key)}")
            reference = f"{self._repository(model)}@{digest}" if digest else None
        else:
            image = self._here(model, key)
            reference = f"{LOCAL}/{model}@{image.id}" if image else None
        return ImageRef(key=key, reference=reference) if reference and self.find(reference) else None

    def find(self, reference: str) -> ImageManifest | None:
        """The image of that reference; None if there is none. What an engine holds it verified by its digest.

        One that is named by a registry must be there, whoever else has it: it is pulled from there.
        """
        name = reference.partition("@")[0]
        place, _, model = name.rpartition("/")
        if place not in {LOCAL, self.place.registry}:
            return None
        with answering(f"image {reference}"):
            if place != LOCAL and registry.digest(self._client, reference) is None:
                return None
            image = self._image(reference)
            manifest = _manifest(image) if image else None
        return manifest if manifest and manifest.model == model else None

    def kept(self) -> dict[str, ImageManifest]:
        """Every image of this builder that the engine has; what a registry keeps is the registry's to say."""
        found: dict[str, ImageManifest] = {}
        with answering("images"):
            for image in self._client.images.list(filters={"label": KEY_LABEL}):
                manifest = _manifest(image)
                if manifest is not None and self._tags(image):
                    found |= dict.fromkeys(self._references(image, manifest), manifest)
        return dict(sorted(found.items()))

    def remove(self, reference: str) -> None:
        """Take this builder's names of it away; the engine removes what has none left, and its layers likewise."""
        with answering(f"image {reference}"), suppress(ImageNotFound):
            image = self._client.images.get(self.name_in_engine(reference))
            for tag in self._tags(image):
                self._client.images.remove(tag)

    def bill(self, reference: str) -> bytes:
        """As it stands in the image."""
        if self.find(reference) is None:
            raise InputError(f"there is no image {reference}")
        with answering(f"image {reference}"):
            return file_in(self._client, self.name_in_engine(reference), f"/{ROOT}/{SBOM}")

    def name_in_engine(self, reference: str) -> str:
        """What a container of an image that `find` finds is started from."""
        name, _, digest = reference.partition("@")
        return digest if name.startswith(f"{LOCAL}/") else reference

    def _image(self, reference: str) -> Image | None:
        """The engine's image of a reference; one that only the registry has is pulled."""
        try:
            return self._client.images.get(self.name_in_engine(reference))
        except ImageNotFound:
            if reference.startswith(f"{LOCAL}/"):
                return None
        return registry.pull(self._client, reference)

    def _here(self, model: str, key: str) -> Image | None:
        try:
            return self._client.images.get(self._local_name(model, key))
        except ImageNotFound:
            return None

    def _build(self, recipe: ImageRecipe, contents: dict[str, bytes], progress: Progress) -> Image:
        base = pulled(self._client, self._base_of(recipe))
        facts = facts_of(self._client, base)
        if facts.python != recipe.python:
            message = f"the base {base.reference} has Python {facts.python}, and the version runs on {recipe.python}"
            raise InputError(f"{recipe.folder}: {message}")
        manifest = manifest_of(recipe, contents)
        steps = Steps(
            title=f"{recipe.folder}, {'to serve' if recipe.target == 'serve' else 'to train'}",
            target=recipe.target,
            base=base.tag,
            packages=recipe.packages,
            archives=[
                self._environment(recipe, contents[LOCK], facts, progress),
                self._files("engine", {path: data for path, data in contents.items() if _is_engine(path)}),
                self._files(recipe.model, _own_files(recipe, contents, manifest, base)),
            ],
            command=_command(recipe),
        )
        tag = self._local_name(recipe.model, recipe.key)
        network = self._network() if recipe.packages else "none"
        labels = self._labels(manifest, base)
        context = Context(self.place.root, self.place.address)
        buildkit.build(dockerfile(steps), context, recipe.target, tag, labels, network, progress)
        image = without_dates(self._client, self._client.images.get(tag), tag)
        if _manifest(image) != manifest:
            raise BugError(f"the image {image.id} of {recipe.folder} was built and is not what was asked for")
        return image

    def _base_of(self, recipe: ImageRecipe) -> str:
        base = recipe.base or self.place.base
        if base is None:
            message = "neither the environment nor the version's model.yaml (environment: base) names a base"
            raise InputError(f"{recipe.folder}: {message} that its image is made from")
        return base

    def _environment(self, recipe: ImageRecipe, lock: bytes, facts: BaseFacts, progress: Progress) -> str:
        """The archive with what a lock says: one for all versions whose locks say it."""
        made_from = digest_of([recipe.locked, facts.model_dump(), site_packages.FORMAT])
        name = f"environment-{short(made_from)}.tar"
        archive = self.place.root / name
        with FileLock(self.place.root / f".{name}.lock"):
            if not archive.exists():
                progress(f"{recipe.lock}: unpacking what it says for Python {facts.python} on {facts.platform}")
                archive_environment(recipe.lock, lock, facts, ENVIRONMENT, archive, progress)
        return name

    def _files(self, what: str, files: dict[str, bytes]) -> str:
        name = f"{what}-{short(digest_of({path: data.hex() for path, data in files.items()}))}.tar"
        if not (self.place.root / name).exists():
            write_archive(self.place.root / name, {f"{ROOT}/{path}": data for path, data in files.items()})
        return name

    def _labels(self, manifest: ImageManifest, base: Base) -> dict[str, str]:
        """Functions of the key alone: a commit would make another image of the same files; the record has that."""
        name, _, digest = base.reference.partition("@")
        return {
            "org.opencontainers.image.title": manifest.model,
            "org.opencontainers.image.version": manifest.version,
            "org.opencontainers.image.base.name": name,
            "org.opencontainers.image.base.digest": digest,
            KEY_LABEL: manifest.key,
            PLACE_LABEL: self._place(manifest.key),
            MANIFEST_LABEL: canonical_json(manifest.model_dump(mode="json")),
        }

    def _tags(self, image: Image) -> list[str]:
        """This builder's names of an image."""
        own = (f"{self.repository_in_engine}/", f"{self.place.registry}/")
        return [tag for tag in image.tags if tag.startswith(own)]

    def _references(self, image: Image, manifest: ImageManifest) -> list[str]:
        """How releases name an image."""
        if self.place.registry is None:
            return [f"{LOCAL}/{manifest.model}@{image.id}"]
        name = f"{self._repository(manifest.model)}@"
        return [one for one in image.attrs["RepoDigests"] if one.startswith(name)]

    def _network(self) -> buildkit.Network:
        """An engine without a bridge lends its machine's network."""
        return "default" if self._client.networks.list(names=["bridge"]) else "host"

    def _local_name(self, model: str, key: str) -> str:
        """By which the engine knows an image of this builder."""
        return f"{self.repository_in_engine}/{model}:{self._tag(key)}"

    def _place(self, key: str) -> str:
        return digest_of([key, self.place.base, FORMAT])

    def _tag(self, key: str) -> str:
        return f"key-{self._place(key).removeprefix('sha256:')}"

    def _repository(self, model: str) -> str:
        return f"{self.place.registry}/{model}"


def _is_engine(path: str) -> bool:
    return path.startswith(f"{ENGINE}/")


def _own_files(
    recipe: ImageRecipe, contents: dict[str, bytes], manifest: ImageManifest, base: Base
) -> dict[str, bytes]:
    """What is the version's alone: its code, all that its lock says, and the bill of both."""
    bill = bill_of_materials(manifest, read_pins(recipe.lock, contents[LOCK])[0], base.reference)
    return {path: data for path, data in contents.items() if not _is_engine(path)} | {SBOM: bill}


def _command(recipe: ImageRecipe) -> list[str]:
    """A container of a variant runs one thing; of one that trains, whoever starts it says which stage."""
    return [INTERPRETER, "-P", *(["-m", CONTAINER_ENTRY_POINT] if recipe.target == "serve" else [])]


def _manifest(image: Image) -> ImageManifest | None:
    try:
        return ImageManifest.model_validate_json(image.labels.get(MANIFEST_LABEL, ""))
    except ValidationError:
        return None
