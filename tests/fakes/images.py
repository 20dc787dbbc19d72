"""Images in memory: the port's promises without a disk or a Python environment."""

from __future__ import annotations

from bighead_ci.definitions.files import Files
from bighead_ci.documents.base import digest_of, digest_of_bytes
from bighead_ci.documents.image import ImageManifest, ImageRecipe, ImageRef
from bighead_ci.errors import BugError, InputError
from bighead_ci.images.bill_of_materials import bill_of_materials
from bighead_ci.ports.engine import Engine
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.tree import Tree


class MemoryImages:
    """`ImageBuilder` over a dictionary; a test loses an image by taking it out of `held`."""

    def __init__(self, engine: Engine, name: str = "memory") -> None:
        self.engine = engine
        self.name = name
        self.held: dict[str, ImageManifest] = {}
        self.answers = 0
        """Added to what goes into a reference: a builder may answer otherwise for a key whose image is gone."""
        self._references: dict[str, str] = {}

    def ensure(self, recipe: ImageRecipe, tree: Tree, progress: Progress) -> ImageRef:
        """The image of that key, remembered if it is new."""
        known = self._references.get(recipe.key)
        if known is None or known not in self.held:
            known = self._references[recipe.key] = self._build(recipe, tree)
            progress(f"image {known}")
        return ImageRef(key=recipe.key, reference=known)

    def find(self, reference: str) -> ImageManifest | None:
        """The image, unless it was lost."""
        return self.held.get(reference)

    def built(self, model: str, key: str) -> ImageRef | None:
        """The image of that key, unless it was lost."""
        reference = self._references.get(key)
        manifest = self.held.get(reference or "")
        return ImageRef(key=key, reference=reference) if reference and manifest and manifest.model == model else None

    def kept(self) -> dict[str, ImageManifest]:
        """All that are held."""
        return dict(self.held)

    def remove(self, reference: str) -> None:
        """Hold it no more."""
        self.held.pop(reference, None)

    def bill(self, reference: str) -> bytes:
        """Of an image that is held."""
        if reference not in self.held:
            raise InputError(f"there is no image {reference}")
        return bill_of_materials(self.held[reference], [], base=None)

    def _build(self, recipe: ImageRecipe, tree: Tree) -> str:
        if wrong := [path for path, identity in recipe.files.items() if tree.files().get(path) != identity]:
            raise BugError(f"{', '.join(wrong)}: not what the recipe of {recipe.folder} names")
        if recipe.lock not in tree.files():
            raise BugError(f"{recipe.lock}: not what the recipe of {recipe.folder} names")
        lock = Files(tree).valid_lock(recipe.lock).text
        if digest_of_bytes(lock) != recipe.locked:
            raise BugError(f"{recipe.lock}: not what the recipe of {recipe.folder} names")
        contents = {recipe.lock: lock, **{path: tree.read(path) for path in recipe.files}}
        for path, digest in recipe.engine.items():
            content = contents[f"engine/{path}"] = self.engine.read(path)
            if digest_of_bytes(content) != digest:
                raise BugError(f"{path} of the engine is not what the recipe of {recipe.folder} names")
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
        reference = f"{self.name}/{recipe.model}@{digest_of([manifest.model_dump(), self.answers])}"
        self.held[reference] = manifest
        return reference
