"""Images that are directories: what a variant's process needs, frozen, named by the digest of what they hold.

`<images>/<hex>/`: `image.json` (the manifest: every other file with its digest), `lock.txt`, `model/` (the version's
own files), `engine/bighead_ci/` (the part of the engine that it was shipped with). `<images>/keys/<hex>` holds the
reference of the image that was built for a key.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from bighead_ci.definitions.files import Files
from bighead_ci.documents.base import canonical_json, digest_of_bytes, short, write_atomically
from bighead_ci.documents.image import ImageManifest, ImageRecipe, ImageRef, LocalImage
from bighead_ci.errors import BugError, InputError
from bighead_ci.images.python_environments import PythonEnvironments
from bighead_ci.ports.engine import Engine
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.tree import Tree

MANIFEST = "image.json"
LOCK = "lock.txt"
PACKAGE = "bighead_ci"
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
        reference = self._built(recipe.key)
        if reference is not None and self.find(reference) is not None:
            return ImageRef(key=recipe.key, reference=reference)
        contents = self._contents(recipe, tree)
        manifest = ImageManifest(
            key=recipe.key,
            target=recipe.target,
            model=recipe.model,
            version=recipe.version,
            python=recipe.python,
            lock=recipe.locked,
            entry_point=recipe.entry_point,
            files={path: digest_of_bytes(content) for path, content in contents.items()},
        )
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
        return LocalImage(
            manifest=manifest, code=directory / "model", engine=directory / "engine", interpreter=interpreter
        )

    def _contents(self, recipe: ImageRecipe, tree: Tree) -> dict[str, bytes]:
        """Path in the image → content."""
        contents, ids = {LOCK: _lock(recipe, tree)}, tree.files()
        for path, identity in recipe.files.items():
            if ids.get(path) != identity:
                raise BugError(f"{path} is {ids.get(path)}, and the recipe of {recipe.folder} names {identity}")
            contents[f"model/{path.removeprefix(f'{recipe.folder}/')}"] = tree.read(path)
        for path, digest in recipe.engine.items():
            content = self._engine.read(path)
            if digest_of_bytes(content) != digest:
                raise BugError(f"{path} of the engine changed since {recipe.folder} was planned")
            contents[f"engine/{PACKAGE}/{path}"] = content
        return contents

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

    def _built(self, key: str) -> str | None:
        try:
            return self._key_file(key).read_text(encoding="utf-8").strip()
        except OSError:
            return None

    def _remember(self, key: str, reference: str) -> None:
        write_atomically(self._key_file(key), f"{reference}\n".encode())

    def _key_file(self, key: str) -> Path:
        return self.root / "keys" / key.removeprefix("sha256:")


def _lock(recipe: ImageRecipe, tree: Tree) -> bytes:
    """All that the recipe's lock says."""
    if recipe.lock not in tree.files():
        raise BugError(f"{recipe.lock} is missing, and the recipe of {recipe.folder} names it")
    text = Files(tree).valid_lock(recipe.lock).text
    if digest_of_bytes(text) != recipe.locked:
        raise BugError(f"{recipe.lock} says something else than when {recipe.folder} was planned")
    return text


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
