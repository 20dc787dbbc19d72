"""Images that are directories: what a variant's process needs, frozen, named by the digest of what they hold.

`<images>/<hex>/`: `image.json` (the manifest: every other file with its digest), `lock.txt`, `model/` (the version's
own files), `engine/bighead_ci/` (the part of the engine that it was shipped with). `<images>/keys/<hex>` holds the
reference of the image that was built for a key.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from bighead_ci.definitions.lock_file import read_pins
from bighead_ci.documents.base import canonical_json, digest_of_bytes, short, write_atomically
from bighead_ci.documents.image import ImageManifest, ImageRecipe, ImageRef, LocalImage
from bighead_ci.errors import BugError, InputError
from bighead_ci.images.bill_of_materials import bill_of_materials
from bighead_ci.images.contents import ENGINE, LOCK, MODEL, contents_of, manifest_of
from bighead_ci.images.python_environments import PythonEnvironments
from bighead_ci.ports.engine import Engine
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.tree import Tree

MANIFEST = "image.json"
REPOSITORY = "local"
"""Stands in a reference where other images have a registry."""


class ProcessImageBuilder:
    """Builds and finds images in a directory.

    Args:
        root: The directory.
        engine: Whose files are put into images.
        environments: Where the Python environments of locks are.
    """

    def __init__(self, root: Path, engine: Engine, environments: PythonEnvironments) -> None:
        self.root = root
        self._engine = engine
        self._environments = environments

    def ensure(self, recipe: ImageRecipe, tree: Tree, progress: Progress) -> ImageRef:
        """The image of that key, built unless it is there and whole; see the port."""
        if found := self.built(recipe.model, recipe.key):
            return found
        contents = contents_of(recipe, tree, self._engine)
        manifest = manifest_of(recipe, contents)
        self._environments.ensure(recipe.lock, contents[LOCK], progress)
        reference = self._write(manifest, contents)
        if self.find(reference) is None:
            raise BugError(f"the image {reference} of {recipe.model}/{recipe.version} was written and is not whole")
        progress(f"image for {'serving' if recipe.target == 'serve' else 'training'} {short(reference)}")
        return ImageRef(key=recipe.key, reference=reference)

    def find(self, reference: str) -> ImageManifest | None:
        """The image of that reference; None if there is none, a file was changed, or its environment is gone."""
        found = self.open(reference)
        return found.manifest if found else None

    def built(self, model: str, key: str) -> ImageRef | None:
        """The image of that key; None if there is none, or as in `find`."""
        try:
            reference = self._key_file(key).read_text(encoding="utf-8").strip()
        except OSError:
            return None
        manifest = self.find(reference)
        return ImageRef(key=key, reference=reference) if manifest and manifest.model == model else None

    def kept(self) -> dict[str, ImageManifest]:
        """Every image that lies here; see the port."""
        found = {}
        for file in sorted(self.root.glob(f"*/{MANIFEST}")):
            with suppress(OSError, ValidationError):
                raw = file.read_bytes()
                manifest = ImageManifest.model_validate_json(raw)
                found[_reference(manifest, raw)] = manifest
        return found

    def remove(self, reference: str) -> None:
        """Remove its directory: renamed first, so that nobody finds half of it."""
        gone = self.root / f".{uuid4().hex}.damaged"
        with suppress(FileNotFoundError):
            self._directory(reference).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def bill(self, reference: str) -> bytes:
        """Of the machine's own libraries nothing is known."""
        found = self.open(reference)
        if found is None:
            raise InputError(f"there is no image {reference}, or it is damaged")
        lock = (self._directory(reference) / LOCK).read_bytes()
        return bill_of_materials(found.manifest, read_pins(reference, lock)[0], base=None)

    def open(self, reference: str) -> LocalImage | None:
        """An image to run; None as in `find`."""
        directory = self._directory(reference)
        try:
            raw = (directory / MANIFEST).read_bytes()
            manifest = ImageManifest.model_validate_json(raw)
            lock = (directory / LOCK).read_bytes()
        except (OSError, ValidationError):
            return None
        if reference != _reference(manifest, raw) or _digests(directory) != manifest.files:
            return None
        try:
            interpreter = self._environments.find(f"{reference}: {LOCK}", lock)
        except InputError:
            return None
        if interpreter is None:
            return None
        return LocalImage(manifest=manifest, code=directory / MODEL, engine=directory / ENGINE, interpreter=interpreter)

    def _write(self, manifest: ImageManifest, contents: dict[str, bytes]) -> str:
        """Put the image together beside, then rename: a reader sees all of it or nothing."""
        raw = canonical_json(manifest.model_dump(mode="json")).encode()
        reference = _reference(manifest, raw)
        beside = self.root / f".{uuid4().hex}.partial"
        for path, content in (contents | {MANIFEST: raw}).items():
            file = beside / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(0o444)
        target = self._directory(reference)
        if target.exists() and self.find(reference) is None:  # damaged
            target.rename(self.root / f".{uuid4().hex}.damaged")
        try:
            beside.rename(target)
        except OSError:
            if not target.exists():  # not somebody else's, made meanwhile
                raise
        for left in (*self.root.glob(".*.damaged"), beside):
            shutil.rmtree(left, ignore_errors=True)
        self._remember(manifest.key, reference)
        return reference

    def _directory(self, reference: str) -> Path:
        return self.root / _hex(reference)

    def _remember(self, key: str, reference: str) -> None:
        write_atomically(self._key_file(key), f"{reference}\n".encode())

    def _key_file(self, key: str) -> Path:
        return self.root / "keys" / key.removeprefix("sha256:")


def _reference(manifest: ImageManifest, raw: bytes) -> str:
    """What names an image whose manifest is written so."""
    return f"{REPOSITORY}/{manifest.model}@{digest_of_bytes(raw)}"


def _hex(reference: str) -> str:
    return reference.rpartition("@sha256:")[2]


def _digests(directory: Path) -> dict[str, str]:
    """Of every file but the manifest; Python's own caches are no part of an image."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.name != MANIFEST:
            found[path.relative_to(directory).as_posix()] = digest_of_bytes(path.read_bytes())
    return found
